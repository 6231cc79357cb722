"""Watching folders by inotify, for remote_agent.py.

A watch has a thread that turns the system's events into changes, [type, names, new names, is a folder],
and keeps a bounded number of them until the gateway asks; when there are more, that is told as overflow.
"""
import os
import stat
import threading

from remote_inotify import CREATED, DELETED, IGNORED, IS_FOLDER, MOVED_FROM, MOVED_TO, OVERFLOWED, SELF_DELETED, UNMOUNTED, Inotify
from remote_paths import LISTING, Opened, refuse, text
from remote_refusals import FileRefused

CHANGES_MAX = 4096
# So many are told at once.
BATCH = 1000
FOUND_MAX = 100_000
# Folders in each other that are there already when the topmost is seen: each is open while those in it are covered.
DEPTH_MAX = 100


class Folder:
    """A watched folder: the number of the one above it, None for the topmost, and its name there."""

    def __init__(self, parent, name):
        self.parent, self.name = parent, name


class Watch:
    def __init__(self, number, enter, names, recursive, most, bell):
        self.topic = "watch:%d" % number
        self.enter, self.root, self.recursive, self.most, self.bell = enter, names, recursive, most, bell
        self.lock = threading.Lock()
        self.changes, self.over = [], False
        self.folders = {}
        # What was found, and told, while a new folder was covered: its own event may still wait, and must not tell it again.
        # Empty whenever no event waits; beyond the bound some things may be told twice.
        self.found = set()
        self.system = Inotify()

    # For the calls ----------------------------------------------------------------------------

    def begin(self):
        try:
            with Opened(self.enter(self.root, "path", LISTING)) as top:
                number, error = self.system.add(top)
                if number is None:
                    raise refuse(error, self.root, "path")
                self.folders[number] = Folder(None, b"")
                self.tell("ready", self.root, True)
                if self.recursive:
                    self.cover_below(top, number, False)
            threading.Thread(target=self.follow, daemon=True).start()
        except BaseException:
            self.system.close()
            raise

    def collect(self):
        self.bell.hear(self.topic)
        with self.lock:
            changes, self.changes = self.changes[:BATCH], self.changes[BATCH:]
            more = bool(self.changes)
            return {"changes": changes, "more": more, "over": self.over and not more}

    def end(self):
        self.system.stop()

    # In its thread ------------------------------------------------------------------------------

    def follow(self):
        try:
            while not self.over:
                if not self.system.wait():
                    break
                self.take_all()
                if self.found and (len(self.found) > FOUND_MAX or not self.system.has_more()):
                    self.found.clear()
                self.bell.ring(self.topic)
        except Exception:
            self.overflow()
            self.over = True
            self.bell.ring(self.topic)
        finally:
            # Never by the one who ends it: its numbers would be others' while this thread still waits on them.
            self.system.close()

    def take_all(self):
        leaving = None
        for number, mask, cookie, name in self.system.take():
            is_folder = bool(mask & IS_FOLDER)
            if leaving is not None and (not mask & MOVED_TO or cookie != leaving[0]):
                self.leave(*leaving[1:])
                leaving = None
            if mask & (CREATED | MOVED_FROM | MOVED_TO | DELETED) and (number, name) in self.found:
                self.found.discard((number, name))
                if mask & CREATED:
                    continue
            if mask & MOVED_FROM:
                leaving = (cookie, number, name, is_folder)
            elif leaving is not None:
                self.rename(leaving[1], leaving[2], number, name, is_folder)
                leaving = None
            else:
                self.take(number, mask, name, is_folder)
        if leaving is not None:
            self.leave(*leaving[1:])

    def take(self, number, mask, name, is_folder):
        if mask & OVERFLOWED:
            self.overflow()
            return
        folder = self.folders.get(number)
        if folder is None:
            return
        if mask & (IGNORED | UNMOUNTED | SELF_DELETED):
            if folder.parent is None:
                self.over = True
                if not mask & IGNORED:
                    self.tell("delete", self.root, True)
            if mask & IGNORED:
                del self.folders[number]
            return
        # A folder itself is told of by the one above it.
        if not name:
            return
        path = self.path_of(number, name)
        if mask & (CREATED | MOVED_TO):
            self.tell("create", path, is_folder)
            if is_folder and self.recursive:
                try:
                    inner = self.enter(path, "path", LISTING)
                except FileRefused:
                    return  # Gone again, or closed to us.
                with Opened(inner):
                    self.cover_opened(inner, number, name, True)
        else:
            self.tell("delete" if mask & DELETED else "modify", path, is_folder)

    def leave(self, number, name, is_folder):
        """Something was moved away, and not to where we look."""
        if number in self.folders:
            self.tell("delete", self.path_of(number, name), is_folder)
            if is_folder:
                self.forget(number, name)

    def rename(self, number, name, to_number, to_name, is_folder):
        if number not in self.folders or to_number not in self.folders:
            self.leave(number, name, is_folder)
            self.take(to_number, MOVED_TO, to_name, is_folder)
            return
        self.tell("rename", self.path_of(number, name), is_folder, self.path_of(to_number, to_name))
        for folder in self.folders.values():
            if folder.parent == number and folder.name == name:
                folder.parent, folder.name = to_number, to_name

    # Which folders --------------------------------------------------------------------------------

    def cover_opened(self, folder, parent, name, tell, depth=0):
        number = self.system.add(folder)[0] if len(self.folders) < self.most and depth < DEPTH_MAX else None
        if number is None:
            self.overflow()
            return
        self.folders[number] = Folder(parent, name)
        self.cover_below(folder, number, tell, depth)

    def cover_below(self, folder, number, tell, depth=0):
        """Those in it too; tells what was put into it before it was covered."""
        with os.scandir(folder) as entries:
            for entry in entries:
                name = os.fsencode(entry.name)
                try:
                    is_folder = stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode)
                except OSError:
                    continue
                if tell:
                    self.tell("create", self.path_of(number, name), is_folder)
                    self.found.add((number, name))
                if is_folder and len(self.folders) <= self.most:
                    try:
                        inner = os.open(name, LISTING, dir_fd=folder)
                    except OSError:
                        continue
                    with Opened(inner):
                        self.cover_opened(inner, number, name, tell, depth + 1)

    def forget(self, parent, name):
        """No more of a folder that was moved to where we do not look, and of those in it."""
        below = {}
        for number, folder in self.folders.items():
            below.setdefault(folder.parent, []).append(number)
        gone = [number for number in below.get(parent, ()) if self.folders[number].name == name]
        for number in gone:
            gone += below.get(number, ())
            del self.folders[number]
            self.system.remove(number)

    def path_of(self, number, name):
        below = [name]
        while len(below) <= self.most and number in self.folders and self.folders[number].parent is not None:
            below.append(self.folders[number].name)
            number = self.folders[number].parent
        return [*self.root, *reversed(below)]

    def overflow(self):
        self.tell("overflow", self.root, True)

    def tell(self, kind, names, is_folder, new=None):
        with self.lock:
            if len(self.changes) >= CHANGES_MAX:
                if len(self.changes) == CHANGES_MAX:
                    self.changes.append(["overflow", [text(one) for one in self.root], None, True])
                return
            self.changes.append([kind, [text(one) for one in names], new and [text(one) for one in new], is_folder])
