"""Paths and what is in their way, for remote_files.py.

Paths are lists of names below a root, each name a string of bytes (latin-1). Descriptions are lists of
numbers, in the order of `describe`. What is in the way is said as errno, names and link (how many of
the names lead to a link, if that is it); the gateway makes its sentences of that.
"""
import ctypes
import errno
import os
import stat

from remote_refusals import Cancelled, FileRefused

FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
LISTING = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without waiting for anybody: a FIFO would, for its other end.
READING = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
WRITING = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
CREATING = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def refuse(number, names, field, link=None):
    return FileRefused(errno=number, names=[text(name) for name in names], field=field, link=link)


def text(name):
    return name.decode("latin-1")


def names_in(request, field="path"):
    names = [name.encode("latin-1") for name in request[field]]
    for name in names:
        if not name or name in (b".", b"..") or b"/" in name or b"\0" in name:
            raise refuse(errno.EINVAL, names, field)
    return names


def describe(status):
    modified, changed = divmod(status.st_mtime_ns, 10**9), divmod(status.st_ctime_ns, 10**9)
    return [status.st_mode, status.st_ino, status.st_dev, status.st_size, *modified, *changed]


def check(cancelled):
    if cancelled.is_set():
        raise Cancelled()


class Opened:
    """A descriptor that is closed at the end of a block."""

    def __init__(self, fd):
        self.fd = fd

    def __enter__(self):
        return self.fd

    def __exit__(self, *_):
        os.close(self.fd)


class Guarded:
    """Turns the errors of a block into refusals that name a path."""

    def __init__(self, folder, names, field):
        self.folder, self.names, self.field = folder, names, field

    def __enter__(self):
        return self

    def __exit__(self, _type, error, _trace):
        if isinstance(error, OSError):
            number = error.errno or errno.EIO
            is_link = number in (errno.ELOOP, errno.ENOTDIR) and self.names and is_link_at(self.folder, self.names[-1])
            raise refuse(errno.ELOOP if is_link else number, self.names, self.field, len(self.names) if is_link else None) from None


def is_link_at(folder, name):
    try:
        return folder is not None and stat.S_ISLNK(os.lstat(name, dir_fd=folder).st_mode)
    except OSError:
        return False


def demand_file(status, names, field):
    if not stat.S_ISREG(status.st_mode):
        raise FileRefused(type=status.st_mode, names=[text(name) for name in names], field=field)


class Renaming:
    """rename that does not replace, where the system has it."""

    def __init__(self):
        try:
            self._call = ctypes.CDLL(None, use_errno=True).renameat2
            self._call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
        except (OSError, AttributeError):
            self._call = None

    def __call__(self, folder, name, to_folder, to_name, replace):
        if replace:
            os.rename(name, to_name, src_dir_fd=folder, dst_dir_fd=to_folder)
            return
        number = errno.ENOSYS
        if self._call is not None:
            if self._call(folder, name, to_folder, to_name, 1) == 0:
                return
            number = ctypes.get_errno()
        if number not in (errno.ENOSYS, errno.EINVAL):
            raise OSError(number, os.strerror(number))
        # A file system without it: asked first, and somebody could come in between.
        try:
            os.lstat(to_name, dir_fd=to_folder)
        except FileNotFoundError:
            os.rename(name, to_name, src_dir_fd=folder, dst_dir_fd=to_folder)
        else:
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))


rename = Renaming()


def version(status):
    """As the gateway writes the ETag of a file."""
    changed = divmod(status.st_ctime_ns, 10**9)
    return "%x-%x-%x.%x" % (status.st_ino, status.st_size, *changed)
