"""Whole folders, for remote_files.py: listing, copying and removing them through opened folders only."""
import errno
import heapq
import os
import secrets
import stat

from remote_paths import CREATING, LISTING, READING, Guarded, Opened, check, demand_file, describe, rename, text
from remote_refusals import FileRefused

COPY_DEPTH_MAX = 64
COPY_CHUNK = 1 << 20
# A page of a list ends early at so many bytes of paths.
PAGE_BYTES_MAX = 2 << 20


class Page:
    """One page of a list; each reads the folders anew and picks the smallest names after the last of the page before."""

    def __init__(self, depth, limit, cancelled):
        self.depth, self.limit, self.cancelled = depth, limit, cancelled
        self.items, self.bytes, self.full = [], 0, False

    def fill(self, top, after):
        self.descend(top, [], after)
        return {"items": self.items, "full": self.full}

    def descend(self, folder, below, after):
        # What is below the folder in which the last page ended comes before its neighbours.
        if after:
            self.enter(folder, [*below, after[0]], after[1:])
        start = after[0] if after else b""
        while not self.full:
            most = self.limit - len(self.items) + 1
            names = self.smallest(folder, start, most)
            for name in names:
                self.add(folder, [*below, name])
                if self.full:
                    return
            if len(names) < most:
                return
            start = names[-1]

    def smallest(self, folder, after, most):
        try:
            with Opened(os.open(b".", LISTING, dir_fd=folder)) as reading, os.scandir(reading) as entries:
                return heapq.nsmallest(most, self.after(entries, after))
        except OSError:
            return []

    def after(self, entries, last):
        for entry in entries:
            check(self.cancelled)
            name = os.fsencode(entry.name)
            if name > last:
                yield name

    def add(self, folder, below):
        try:
            status = os.lstat(below[-1], dir_fd=folder)
        except OSError:
            return  # Removed meanwhile.
        if len(self.items) == self.limit or self.bytes > PAGE_BYTES_MAX:
            self.full = True
            return
        self.items.append([[text(name) for name in below], describe(status)])
        self.bytes += sum(len(name) + 4 for name in below)
        if stat.S_ISDIR(status.st_mode):
            self.enter(folder, below, [])

    def enter(self, folder, below, after):
        if len(below) >= self.depth:
            return
        try:
            # What cannot be entered is listed all the same, and a link that has taken its place is not followed.
            inner = os.open(below[-1], LISTING, dir_fd=folder)
        except OSError:
            return
        with Opened(inner):
            self.descend(inner, below, after)


def copy_tree(folder, source, to_folder, target, depth, cancelled):
    check(cancelled)
    with Guarded(folder, source, "from"):
        status = os.lstat(source[-1], dir_fd=folder)
    if stat.S_ISLNK(status.st_mode):
        with Guarded(folder, source, "from"):
            link = os.readlink(source[-1], dir_fd=folder)
        with Guarded(to_folder, target, "to"):
            os.symlink(link, target[-1], dir_fd=to_folder)
    elif stat.S_ISDIR(status.st_mode):
        if depth == 0:
            raise FileRefused(deep=COPY_DEPTH_MAX, names=[text(name) for name in source])
        copy_folder(folder, source, to_folder, target, status, depth, cancelled)
    else:
        demand_file(status, source, "from")
        copy_file(folder, source, to_folder, target, cancelled)


def copy_folder(folder, source, to_folder, target, status, depth, cancelled):
    with Guarded(folder, source, "from"):
        reading = os.open(source[-1], LISTING, dir_fd=folder)
    with Opened(reading):
        with Guarded(to_folder, target, "to"):
            os.mkdir(target[-1], 0o700, dir_fd=to_folder)
            writing = os.open(target[-1], LISTING, dir_fd=to_folder)
        with Opened(writing):
            with os.scandir(reading) as entries:
                for entry in entries:
                    name = os.fsencode(entry.name)
                    copy_tree(reading, [*source, name], writing, [*target, name], depth - 1, cancelled)
            with Guarded(to_folder, target, "to"):
                os.fchmod(writing, stat.S_IMODE(status.st_mode) & 0o777)


def copy_file(folder, source, to_folder, target, cancelled):
    with Guarded(folder, source, "from"):
        reading = os.open(source[-1], READING, dir_fd=folder)
    with Opened(reading):
        status = os.fstat(reading)
        demand_file(status, source, "from")
        with Guarded(to_folder, target, "to"):
            writing = os.open(target[-1], CREATING, 0o600, dir_fd=to_folder)
        with Opened(writing), Guarded(None, target, "to"):
            # As much as there was at the start: a file that grows for ever is not copied for ever.
            left = status.st_size
            while left > 0:
                check(cancelled)
                data = memoryview(os.read(reading, min(left, COPY_CHUNK)))
                if not data:
                    break
                left -= len(data)
                while data:
                    data = data[os.write(writing, data):]
            os.fchmod(writing, stat.S_IMODE(status.st_mode) & 0o777)


class Removal:
    """Removes a folder with all in it, at any depth, without recursion; links are removed, not followed.

    A folder that is found inside is moved up into the one that is being removed before its content is
    looked at. So there is never a way back up to find, which somebody could lead elsewhere.
    """

    def __init__(self, cancelled):
        self.cancelled, self.moved = cancelled, 0
        self.mark = b".kg-remove-" + secrets.token_hex(16).encode()

    def remove_any(self, parent, names):
        """Removes whatever has the name, if anything; what cannot be removed stays."""
        try:
            if stat.S_ISDIR(os.lstat(names[-1], dir_fd=parent).st_mode):
                self.remove(parent, names)
            else:
                os.unlink(names[-1], dir_fd=parent)
        except (OSError, FileRefused):
            pass

    def remove(self, parent, names):
        with Guarded(parent, names, "path"):
            top = os.open(names[-1], LISTING, dir_fd=parent)
        with Opened(top):
            # Each pass empties the folders that are in it now; what they held is in it for the next.
            while self.empty(top, top, names):
                check(self.cancelled)
        with Guarded(parent, names, "path"):
            os.rmdir(names[-1], dir_fd=parent)

    def empty(self, top, folder, names):
        found = False
        with Guarded(folder, names, "path"), Opened(os.open(b".", LISTING, dir_fd=folder)) as reading, os.scandir(reading) as entries:
            for entry in entries:
                check(self.cancelled)
                found = True
                name = os.fsencode(entry.name)
                with Guarded(None, [*names, name], "path"):
                    try:
                        self.remove_one(top, folder, name, [*names, name])
                    except FileNotFoundError:
                        pass  # What has gone already needs no removing.
        return found

    def remove_one(self, top, folder, name, names):
        if not stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
            os.unlink(name, dir_fd=folder)
            return
        try:
            os.rmdir(name, dir_fd=folder)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        if folder == top:
            with Opened(os.open(name, LISTING, dir_fd=folder)) as inner:
                self.empty(top, inner, names)
            try:
                os.rmdir(name, dir_fd=folder)
            except OSError as error:
                # Somebody put something into it again: the next pass sees to that.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            return
        self.moved += 1
        rename(folder, name, top, self.mark + b"-%d" % self.moved, False)
