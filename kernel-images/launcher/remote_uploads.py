"""Files on their way to a Jupyter server's machine: under a name of their own until they are complete."""
import base64
import errno
import fcntl
import os
import secrets
import stat

from remote_folders import find
from remote_handles import Handle
from remote_paths import CREATING, WRITING, Guarded, demand_file, describe, names_in, refuse, rename, text, version
from remote_refusals import FileRefused

UNFINISHED = b".kg-upload-"


def new_unfinished():
    return UNFINISHED + secrets.token_hex(16).encode()


class Upload:
    """One file: its folder, its name there until it is complete, and what was asked for."""

    def __init__(self, folder, names, unfinished, how, keep):
        self.parent = os.dup(folder)
        self.names, self.unfinished, self.how, self.keep = names, unfinished, how, keep

    def end(self):
        if not self.keep:
            try:
                os.unlink(self.unfinished, dir_fd=self.parent)
            except OSError:
                pass
        os.close(self.parent)

    def commit(self, fd):
        """Gives it the name that it is to have."""
        present = demand_target(self.parent, self.names, self.how)
        mode = self.how["mode"]
        if mode is None and present is not None:
            mode = stat.S_IMODE(present.st_mode) & 0o777
        with Guarded(self.parent, self.names, "path"):
            if mode is not None:
                os.fchmod(fd, mode)
            rename(self.parent, self.unfinished, self.parent, self.names[-1], not self.how["absent"])
        self.keep = True


class Uploads:
    def __init__(self, folders, handles):
        self.folders, self.handles = folders, handles

    def operations(self):
        return {"write": self.write, "part": self.part, "more": self.more, "uploaded": self.uploaded}

    def write(self, request, _):
        """Begins a new file; one that fits into the request is complete with it."""
        names = names_in(request)
        with self.folders.parent(names, "path", request["parents"]) as folder:
            demand_target(folder, names, request)
            with Guarded(folder, names, "path"):
                upload = Upload(folder, names, new_unfinished(), request, keep=False)
                try:
                    handle = Handle(os.open(upload.unfinished, CREATING, 0o600, dir_fd=folder))
                except BaseException:
                    upload.end()
                    raise
            handle.upload = upload
        return self.go_on(handle, upload, request)

    def part(self, request, _):
        """Goes on with an upload, under the lock of its file."""
        names = names_in(request)
        unfinished, offset = UNFINISHED + request["upload"].encode("ascii"), request["offset"]
        with self.folders.parent(names, "path", request["parents"]) as folder:
            demand_target(folder, names, request)
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
                handle.upload = Upload(folder, names, unfinished, request, keep=True)
            except BaseException:
                os.close(fd)
                raise
        return self.go_on(handle, handle.upload, request)

    def more(self, request, _):
        handle = self.handles.get(request["handle"])
        # Somebody may give it up meanwhile.
        upload = handle.upload
        if upload is None:
            raise FileRefused(closed=True)
        return self.go_on(handle, upload, request)

    def go_on(self, handle, upload, request):
        """Adds a piece; with the last the file gets its name."""
        known = "handle" in request
        try:
            with handle.lock, Guarded(None, upload.names, "path"):
                if handle.fd is None:
                    raise FileRefused(closed=True)
                data = memoryview(base64.b64decode(request["data"]))
                while data:
                    data = data[os.write(handle.fd, data):]
            if not request["last"]:
                return {"handle": request["handle"] if known else self.handles.keep(handle)}
            # Under its lock: its folder and its file stay open until it has its name.
            with handle.lock:
                if handle.fd is None:
                    raise FileRefused(closed=True)
                if request["commit"]:
                    upload.commit(handle.fd)
                answer = {"stat": describe(os.fstat(handle.fd))}
        except BaseException:
            self.drop(handle, request)
            raise
        self.drop(handle, request)
        return answer

    def drop(self, handle, request):
        if "handle" in request:
            self.handles.take(request["handle"])
        handle.give_up()

    def uploaded(self, request, _):
        names = names_in(request)
        with self.folders.parent(names, "path") as folder:
            status = find(folder, [*names[:-1], UNFINISHED + request["upload"].encode("ascii")], "path")
            return {"size": 0 if status is None else status.st_size}


def demand_target(folder, names, how):
    """Refuses a target that cannot be replaced."""
    present = find(folder, names, "path")
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
