"""The files of a Jupyter server's machine, for remote_agent.py.

Paths are walked name by name through opened folders; no symbolic link is followed. How they are written,
and how it is said what is in the way, is in remote_paths.py.
"""
import base64
import errno
import fcntl
import os
import secrets
import stat
import threading

from remote_paths import (
    CREATING, FOLDER, LISTING, READING, WRITING, FileRefused, Guarded, Opened, demand_file, describe, is_link_at, names_in, refuse, rename, text, version,
)
from remote_trees import COPY_DEPTH_MAX, Page, Removal, copy_tree

UNFINISHED = b".kg-upload-"
HANDLES_MAX = 256
CHUNK_MAX = 1 << 20


class Handle:
    """An open file: one that is read, or one that is being written."""

    def __init__(self, fd):
        self.fd = fd
        self.lock = threading.Lock()
        self.write = None

    def close(self):
        with self.lock:
            if self.fd is not None:
                os.close(self.fd)
                self.fd = None


class Write:
    """A file on its way: its folder, its name there until it is complete, and what was asked for."""

    def __init__(self, parent, names, unfinished, how, keep):
        self.parent, self.names, self.unfinished, self.how, self.keep = parent, names, unfinished, how, keep


class Files:
    def __init__(self):
        self.root = b"/"
        self._lock = threading.Lock()
        self._handles = {}
        self._last = 0

    def operations(self):
        return {
            "stat": self.stat, "open": self.open, "read": self.read, "close": self.close,
            "write": self.write, "part": self.part, "more": self.more, "uploaded": self.uploaded,
            "list": self.list, "mkdir": self.mkdir, "remove": self.remove, "copy": self.copy, "move": self.move,
            "link": self.link, "attributes": self.attributes,
        }

    # Folders ----------------------------------------------------------------------------------

    def enter(self, names, field, flags=FOLDER):
        """Opens a folder, name by name."""
        with Guarded(None, [], field):
            fd = os.open(self.root, (FOLDER if names else flags) & ~os.O_NOFOLLOW)
        try:
            for at, name in enumerate(names):
                last = at == len(names) - 1
                try:
                    inner = os.open(name, flags if last else FOLDER, dir_fd=fd)
                except OSError as error:
                    link = error.errno in (errno.ENOTDIR, errno.ELOOP) and is_link_at(fd, name)
                    raise refuse(errno.ELOOP if link else error.errno, names, field, at + 1 if link else None) from None
                os.close(fd)
                fd = inner
            return fd
        except BaseException:
            os.close(fd)
            raise

    def parent(self, names, field, make=False):
        if not names:
            raise FileRefused(root=True, field=field)
        try:
            return Opened(self.enter(names[:-1], field))
        except FileRefused as refusal:
            if not make or not refusal.is_errno(errno.ENOENT):
                raise
        self.make_folders(names[:-1], field)
        return Opened(self.enter(names[:-1], field))

    def make_folders(self, names, field):
        for length in range(1, len(names) + 1):
            upto = names[:length]
            try:
                os.close(self.enter(upto, field))
                continue
            except FileRefused as refusal:
                if not refusal.is_errno(errno.ENOENT):
                    raise
            with Opened(self.enter(upto[:-1], field)) as folder, Guarded(folder, upto, field):
                try:
                    os.mkdir(upto[-1], 0o755, dir_fd=folder)
                except FileExistsError:
                    pass

    def entry(self, folder, names, field):
        with Guarded(folder, names, field):
            status = os.lstat(names[-1], dir_fd=folder)
            target = text(os.readlink(names[-1], dir_fd=folder)) if stat.S_ISLNK(status.st_mode) else None
        return {"stat": describe(status), "target": target}

    def find(self, folder, names, field):
        with Guarded(folder, names, field):
            try:
                return os.lstat(names[-1], dir_fd=folder)
            except FileNotFoundError:
                return None

    # Looking and reading ------------------------------------------------------------------------

    def stat(self, request, _):
        names = names_in(request)
        if not names:
            with Opened(self.enter(names, "path")) as top:
                return {"stat": describe(os.fstat(top)), "target": None}
        with self.parent(names, "path") as folder:
            return self.entry(folder, names, "path")

    def open(self, request, _):
        names = names_in(request)
        if not names:
            with Opened(self.enter(names, "path")) as top:
                demand_file(os.fstat(top), names, "path")
        with self.parent(names, "path") as folder, Guarded(folder, names, "path"):
            fd = os.open(names[-1], READING, dir_fd=folder)
        try:
            status = os.fstat(fd)
            demand_file(status, names, "path")
            return {"handle": self.keep(Handle(fd)), "stat": describe(status)}
        except BaseException:
            os.close(fd)
            raise

    def read(self, request, _):
        handle = self.handle(request)
        with handle.lock, Guarded(None, [], "path"):
            if handle.fd is None:
                raise FileRefused(closed=True)
            data = os.pread(handle.fd, min(request["count"], CHUNK_MAX), request["offset"])
        return {"data": base64.b64encode(data).decode()}

    def close(self, request, _):
        """Gives up a file; one that is not complete is removed, unless parts of it are to be kept."""
        with self._lock:
            handle = self._handles.pop(request["handle"], None)
        if handle is not None:
            if handle.write is not None and request["discard"]:
                handle.write.keep = False
            self.give_up(handle)

    def keep(self, handle):
        with self._lock:
            if len(self._handles) >= HANDLES_MAX:
                raise FileRefused(many=True)
            self._last += 1
            self._handles[self._last] = handle
            return self._last

    def handle(self, request):
        with self._lock:
            handle = self._handles.get(request["handle"])
        if handle is None:
            raise FileRefused(closed=True)
        return handle

    def close_all(self):
        with self._lock:
            handles, self._handles = self._handles, {}
        for handle in handles.values():
            self.give_up(handle)

    @staticmethod
    def give_up(handle):
        write, handle.write = handle.write, None
        handle.close()
        if write is not None:
            if not write.keep:
                try:
                    os.unlink(write.unfinished, dir_fd=write.parent)
                except OSError:
                    pass
            os.close(write.parent)

    # Writing --------------------------------------------------------------------------------------

    def write(self, request, _):
        """Begins a new file; one that fits into the request is complete with it."""
        names = names_in(request)
        with self.parent(names, "path", request["parents"]) as folder:
            self.demand_target(folder, names, request)
            unfinished = UNFINISHED + secrets.token_hex(16).encode()
            with Guarded(folder, names, "path"):
                handle = Handle(os.open(unfinished, CREATING, 0o600, dir_fd=folder))
            handle.write = Write(os.dup(folder), names, unfinished, request, keep=False)
        return self.go_on(handle, request)

    def part(self, request, _):
        """Goes on with an upload, under the lock of its file."""
        names = names_in(request)
        unfinished, offset = UNFINISHED + request["upload"].encode("ascii"), request["offset"]
        with self.parent(names, "path", request["parents"]) as folder:
            self.demand_target(folder, names, request)
            with Guarded(folder, names, "uploadId"):
                try:
                    fd = os.open(unfinished, WRITING | os.O_APPEND | (os.O_CREAT if offset == 0 else 0), 0o600, dir_fd=folder)
                except FileNotFoundError:
                    raise FileRefused(upload="nothing") from None
            try:
                demand_file(os.fstat(fd), names, "uploadId")
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    raise FileRefused(upload="busy") from None
                size = os.fstat(fd).st_size
                if size != offset:
                    raise FileRefused(upload="offset", asked=offset, size=size)
                handle = Handle(fd)
                handle.write = Write(os.dup(folder), names, unfinished, request, keep=True)
            except BaseException:
                os.close(fd)
                raise
        return self.go_on(handle, request)

    def more(self, request, _):
        handle = self.handle(request)
        if handle.write is None:
            raise FileRefused(closed=True)
        return self.go_on(handle, request)

    def go_on(self, handle, request):
        """Adds a piece; with the last the file gets its name."""
        known = "handle" in request
        try:
            with handle.lock, Guarded(None, handle.write.names, "path"):
                if handle.fd is None:
                    raise FileRefused(closed=True)
                data = memoryview(base64.b64decode(request["data"]))
                while data:
                    data = data[os.write(handle.fd, data):]
            if not request["last"]:
                return {"handle": request["handle"] if known else self.keep(handle)}
            write = handle.write
            if request["commit"]:
                self.commit(handle, write)
                write.keep = True
            answer = {"stat": describe(os.fstat(handle.fd))}
        except BaseException:
            self.drop(handle, request)
            raise
        self.drop(handle, request)
        return answer

    def drop(self, handle, request):
        with self._lock:
            self._handles.pop(request.get("handle"), None)
        self.give_up(handle)

    def commit(self, handle, write):
        present = self.demand_target(write.parent, write.names, write.how)
        mode = write.how["mode"]
        if mode is None and present is not None:
            mode = stat.S_IMODE(present.st_mode) & 0o777
        with Guarded(write.parent, write.names, "path"):
            if mode is not None:
                os.fchmod(handle.fd, mode)
            rename(write.parent, write.unfinished, write.parent, write.names[-1], not write.how["absent"])

    def demand_target(self, folder, names, how):
        """Refuses a target that cannot be replaced."""
        present = self.find(folder, names, "path")
        if how["absent"] and present is not None:
            raise refuse(errno.EEXIST, names, "path")
        if how["match"] is not None and (present is None or how["match"] != version(present)):
            raise FileRefused(changed=True, names=[text(name) for name in names])
        if present is not None:
            demand_file(present, names, "path")
            # Replacing needs only the folder's permission; that of the file counts all the same.
            with Guarded(folder, names, "path"):
                try:
                    os.close(os.open(names[-1], WRITING, dir_fd=folder))
                except OSError as error:
                    if error.errno not in (errno.ETXTBSY, errno.ENOENT):
                        raise
        return present

    def uploaded(self, request, _):
        names = names_in(request)
        with self.parent(names, "path") as folder:
            status = self.find(folder, [*names[:-1], UNFINISHED + request["upload"].encode("ascii")], "path")
            return {"size": 0 if status is None else status.st_size}

    # Lists ----------------------------------------------------------------------------------------

    def list(self, request, cancelled):
        with Opened(self.enter(names_in(request), "path", LISTING)) as top:
            return Page(request["depth"], request["limit"], cancelled).fill(top, names_in(request, "after"))

    # Changes --------------------------------------------------------------------------------------

    def mkdir(self, request, _):
        names = names_in(request)
        if request["parents"]:
            self.make_folders(names, "path")
        else:
            with self.parent(names, "path") as folder, Guarded(folder, names, "path"):
                os.mkdir(names[-1], 0o755, dir_fd=folder)
        return self.stat(request, None)

    def link(self, request, _):
        names = names_in(request)
        with self.parent(names, "path") as folder, Guarded(folder, names, "path"):
            os.symlink(request["target"].encode("latin-1"), names[-1], dir_fd=folder)

    def attributes(self, request, _):
        """Permissions of files and folders, and when anything was changed last; the top of all is the system's."""
        names = names_in(request)
        if not names:
            return
        with self.parent(names, "path") as folder, Guarded(folder, names, "path"):
            status, mode = os.lstat(names[-1], dir_fd=folder), request["mode"]
            has_mode = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
            if mode is not None and has_mode and mode != stat.S_IMODE(status.st_mode):
                with Opened(os.open(names[-1], READING, dir_fd=folder)) as fd:
                    os.fchmod(fd, mode)
            os.utime(names[-1], ns=(status.st_atime_ns, request["modified"]), dir_fd=folder, follow_symlinks=False)

    def remove(self, request, cancelled):
        names = names_in(request)
        with self.parent(names, "path") as folder:
            with Guarded(folder, names, "path"):
                is_folder = stat.S_ISDIR(os.lstat(names[-1], dir_fd=folder).st_mode)
                if not is_folder:
                    os.unlink(names[-1], dir_fd=folder)
                elif not request["recursive"]:
                    os.rmdir(names[-1], dir_fd=folder)
            if is_folder and request["recursive"]:
                Removal(cancelled).remove(folder, names)

    def copy(self, request, cancelled):
        source, target = names_in(request, "from"), names_in(request, "to")
        with self.parent(source, "from") as folder, self.parent(target, "to", make=True) as to_folder:
            self.copy_aside(folder, source, to_folder, target, request["overwrite"], cancelled)
            return self.entry(to_folder, target, "to")

    def copy_aside(self, folder, source, to_folder, target, overwrite, cancelled):
        """Under another name first, so that the copy is there completely or not at all."""
        present = self.find(to_folder, target, "to")
        if present is not None:
            if not overwrite:
                raise refuse(errno.EEXIST, target, "to")
            demand_file(present, target, "to")
        hidden = [*target[:-1], UNFINISHED + secrets.token_hex(16).encode()]
        try:
            copy_tree(folder, source, to_folder, hidden, COPY_DEPTH_MAX, cancelled)
            with Guarded(to_folder, target, "to"):
                rename(to_folder, hidden[-1], to_folder, target[-1], overwrite)
        except BaseException:
            Removal(threading.Event()).remove_any(to_folder, hidden)
            raise

    def move(self, request, cancelled):
        source, target = names_in(request, "from"), names_in(request, "to")
        with self.parent(source, "from") as folder:
            with Guarded(folder, source, "from"):
                os.lstat(source[-1], dir_fd=folder)
            with self.parent(target, "to", make=True) as to_folder:
                try:
                    with Guarded(to_folder, target, "to"):
                        rename(folder, source[-1], to_folder, target[-1], request["overwrite"])
                except FileRefused as refusal:
                    if not refusal.is_errno(errno.EXDEV):
                        raise
                    self.move_by_copy(folder, source, to_folder, target, request["overwrite"], cancelled)
                return self.entry(to_folder, target, "to")

    def move_by_copy(self, folder, source, to_folder, target, overwrite, cancelled):
        """To another file system. Put aside first: what may not be removed is not copied, and nobody changes it meanwhile."""
        aside = [*source[:-1], UNFINISHED + secrets.token_hex(16).encode()]
        with Guarded(folder, source, "from"):
            rename(folder, source[-1], folder, aside[-1], False)
        try:
            self.copy_aside(folder, aside, to_folder, target, overwrite, cancelled)
        except BaseException:
            rename(folder, aside[-1], folder, source[-1], False)
            raise
        Removal(threading.Event()).remove_any(folder, aside)
