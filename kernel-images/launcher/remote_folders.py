"""Folders below the root, for remote_files.py: entered name by name, and no symbolic link is followed."""
import errno
import os
import stat

from remote_paths import FOLDER, Guarded, Opened, describe, is_link_at, refuse, text
from remote_refusals import FileRefused


class Folders:
    def __init__(self):
        self.root = b"/"

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
        self.make(names[:-1], field)
        return Opened(self.enter(names[:-1], field))

    def make(self, names, field):
        """Makes those that are missing on the way."""
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

    def stat(self, names):
        if not names:
            with Opened(self.enter(names, "path")) as top:
                return {"stat": describe(os.fstat(top)), "target": None}
        with self.parent(names, "path") as folder:
            return entry(folder, names, "path")


def entry(folder, names, field):
    with Guarded(folder, names, field):
        status = os.lstat(names[-1], dir_fd=folder)
        target = text(os.readlink(names[-1], dir_fd=folder)) if stat.S_ISLNK(status.st_mode) else None
    return {"stat": describe(status), "target": target}


def find(folder, names, field):
    with Guarded(folder, names, field):
        try:
            return os.lstat(names[-1], dir_fd=folder)
        except FileNotFoundError:
            return None
