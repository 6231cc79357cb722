"""Watching folders by inotify, for remote_agent.py.

A watch has a thread that turns the system's events into changes, [type, names, new names, is a folder],
and keeps a bounded number of them until the gateway asks; when there are more, that is told as overflow.
"""
import ctypes
import errno
import os
import select
import stat
import struct
import threading

from remote_paths import LISTING, FileRefused, Opened, names_in, refuse, text

WATCHES_MAX = 8
CHANGES_MAX = 4096
# So many are told at once.
BATCH = 1000
MODIFY, ATTRIBUTES, MOVED_FROM, MOVED_TO, CREATED, DELETED, SELF_DELETED = 0x2, 0x4, 0x40, 0x80, 0x100, 0x200, 0x400
UNMOUNTED, OVERFLOWED, IGNORED, IS_FOLDER = 0x2000, 0x4000, 0x8000, 0x40000000
ONLY_FOLDER = 0x01000000
MASK = MODIFY | ATTRIBUTES | MOVED_FROM | MOVED_TO | CREATED | DELETED | SELF_DELETED | ONLY_FOLDER
HEAD = struct.Struct("iIII")
BUFFER = 1 << 16
FOUND_MAX = 100_000


class Folder:
    """A watched folder: the number of the one above it, None for the topmost, and its name there."""

    def __init__(self, parent, name):
        self.parent, self.name = parent, name


class Watch:
    def __init__(self, number, files, names, recursive, most, bell):
        self.topic = "watch:%d" % number
        self.files, self.root, self.recursive, self.most, self.bell = files, names, recursive, most, bell
        self.lock = threading.Lock()
        self.changes, self.over = [], False
        self.folders = {}
        # What was found, and told, while a new folder was covered: its own event may still wait, and must not tell it again.
        # Empty whenever no event waits; beyond the bound some things may be told twice.
        self.found = set()
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self.fd < 0:
            raise FileRefused(watches=os.strerror(ctypes.get_errno()))
        self.stop_read, self.stop_write = os.pipe2(os.O_CLOEXEC)

    # For the calls ----------------------------------------------------------------------------

    def begin(self):
        try:
            with Opened(self.files.enter(self.root, "path", LISTING)) as top:
                number = self.cover(top)
                if number < 0:
                    raise refuse(ctypes.get_errno(), self.root, "path")
                self.folders[number] = Folder(None, b"")
                self.tell("ready", self.root, True)
                if self.recursive:
                    self.cover_below(top, number, False)
        except BaseException:
            self.close()
            raise
        threading.Thread(target=self.follow, daemon=True).start()

    def collect(self):
        self.bell.hear(self.topic)
        with self.lock:
            changes, self.changes = self.changes[:BATCH], self.changes[BATCH:]
            more = bool(self.changes)
            return {"changes": changes, "more": more, "over": self.over and not more}

    def end(self):
        os.write(self.stop_write, b"x")

    def close(self):
        for fd in (self.fd, self.stop_read, self.stop_write):
            os.close(fd)

    # In its thread ------------------------------------------------------------------------------

    def follow(self):
        try:
            waiting = select.poll()
            waiting.register(self.fd, select.POLLIN)
            waiting.register(self.stop_read, select.POLLIN)
            while not self.over:
                if any(fd == self.stop_read for fd, _ in waiting.poll()):
                    break
                self.take_all()
                if self.found and (len(self.found) > FOUND_MAX or not any(fd == self.fd for fd, _ in waiting.poll(0))):
                    self.found.clear()
                self.bell.ring(self.topic)
        except Exception:
            self.overflow()
            self.over = True
            self.bell.ring(self.topic)
        finally:
            # Never by the one who ends it: its numbers would be others' while this thread still waits on them.
            self.close()

    def take_all(self):
        try:
            data = os.read(self.fd, BUFFER)
        except BlockingIOError:
            return
        leaving, at = None, 0
        while at + HEAD.size <= len(data):
            number, mask, cookie, size = HEAD.unpack_from(data, at)
            name = data[at + HEAD.size:at + HEAD.size + size].split(b"\0", 1)[0]
            at += HEAD.size + size
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
                    inner = self.files.enter(path, "path", LISTING)
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

    def cover(self, folder):
        # By the system's own name for the opened folder, on which there is no link.
        return self.libc.inotify_add_watch(self.fd, b"/proc/self/fd/%d" % folder, ctypes.c_uint32(MASK))

    def cover_opened(self, folder, parent, name, tell):
        number = self.cover(folder) if len(self.folders) < self.most else -1
        if number < 0:
            self.overflow()
            return
        self.folders[number] = Folder(parent, name)
        self.cover_below(folder, number, tell)

    def cover_below(self, folder, number, tell):
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
                        self.cover_opened(inner, number, name, tell)

    def forget(self, parent, name):
        """No more of a folder that was moved to where we do not look, and of those in it."""
        for number in [n for n, f in self.folders.items() if f.parent == parent and f.name == name]:
            del self.folders[number]
            self.libc.inotify_rm_watch(self.fd, number)
            for child in [f.name for f in self.folders.values() if f.parent == number]:
                self.forget(number, child)

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


class Watches:
    def __init__(self, bell, files):
        self.bell, self.files = bell, files
        self.lock = threading.Lock()
        self.all, self.last = {}, 0

    def operations(self):
        return {"watch": self.watch, "changes": self.changes, "unwatch": self.unwatch}

    def watch(self, request, _):
        with self.lock:
            if len(self.all) >= WATCHES_MAX:
                raise FileRefused(watches="too many of this kernel")
            self.last += 1
            number = self.last
        watch = Watch(number, self.files, names_in(request), request["recursive"], request["most"], self.bell)
        watch.begin()
        with self.lock:
            self.all[number] = watch
        return {"watch": number, **watch.collect()}

    def changes(self, request, _):
        with self.lock:
            watch = self.all.get(request["watch"])
        if watch is None:
            raise FileRefused(errno=errno.ENOENT, names=[], field="path", link=None)
        return watch.collect()

    def unwatch(self, request, _):
        with self.lock:
            watch = self.all.pop(request["watch"], None)
        if watch is not None:
            self.end(watch)

    def close_all(self):
        with self.lock:
            watches, self.all = self.all, {}
        for watch in watches.values():
            self.end(watch)

    @staticmethod
    def end(watch):
        try:
            watch.end()
        except OSError:
            pass  # It has ended by itself.
