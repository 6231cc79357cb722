"""Making, removing, copying and moving, for remote_files.py."""
import errno
import os
import stat
import threading

from remote_folders import entry, find
from remote_paths import READING, Guarded, Opened, demand_file, names_in, refuse, rename
from remote_refusals import FileRefused
from remote_trees import COPY_DEPTH_MAX, Removal, copy_tree
from remote_uploads import new_unfinished


class Changes:
    def __init__(self, folders):
        self.folders = folders

    def operations(self):
        return {
            "mkdir": self.mkdir, "remove": self.remove, "copy": self.copy, "move": self.move,
            "link": self.link, "attributes": self.attributes,
        }

    def mkdir(self, request, _):
        names = names_in(request)
        if request["parents"]:
            self.folders.make(names, "path")
        else:
            with self.folders.parent(names, "path") as folder, Guarded(folder, names, "path"):
                os.mkdir(names[-1], 0o755, dir_fd=folder)
        return self.folders.stat(names)

    def link(self, request, _):
        names = names_in(request)
        with self.folders.parent(names, "path") as folder, Guarded(folder, names, "path"):
            os.symlink(request["target"].encode("latin-1"), names[-1], dir_fd=folder)

    def attributes(self, request, _):
        """Permissions of files and folders, and when anything was changed last; the top of all is the system's."""
        names = names_in(request)
        if not names:
            return
        with self.folders.parent(names, "path") as folder, Guarded(folder, names, "path"):
            status, mode = os.lstat(names[-1], dir_fd=folder), request["mode"]
            has_mode = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
            if mode is not None and has_mode and mode != stat.S_IMODE(status.st_mode):
                with Opened(os.open(names[-1], READING, dir_fd=folder)) as fd:
                    os.fchmod(fd, mode)
            os.utime(names[-1], ns=(status.st_atime_ns, request["modified"]), dir_fd=folder, follow_symlinks=False)

    def remove(self, request, cancelled):
        names = names_in(request)
        with self.folders.parent(names, "path") as folder:
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
        with self.folders.parent(source, "from") as folder, self.folders.parent(target, "to", make=True) as to_folder:
            self.copy_aside(folder, source, to_folder, target, request["overwrite"], cancelled)
            return entry(to_folder, target, "to")

    def copy_aside(self, folder, source, to_folder, target, overwrite, cancelled):
        """Under another name first, so that the copy is there completely or not at all."""
        present = find(to_folder, target, "to")
        if present is not None:
            if not overwrite:
                raise refuse(errno.EEXIST, target, "to")
            demand_file(present, target, "to")
        hidden = [*target[:-1], new_unfinished()]
        try:
            copy_tree(folder, source, to_folder, hidden, COPY_DEPTH_MAX, cancelled)
            with Guarded(to_folder, target, "to"):
                rename(to_folder, hidden[-1], to_folder, target[-1], overwrite)
        except BaseException:
            Removal(threading.Event()).remove_any(to_folder, hidden)
            raise

    def move(self, request, cancelled):
        source, target = names_in(request, "from"), names_in(request, "to")
        with self.folders.parent(source, "from") as folder:
            with Guarded(folder, source, "from"):
                os.lstat(source[-1], dir_fd=folder)
            with self.folders.parent(target, "to", make=True) as to_folder:
                try:
                    with Guarded(to_folder, target, "to"):
                        rename(folder, source[-1], to_folder, target[-1], request["overwrite"])
                except FileRefused as refusal:
                    if not refusal.is_errno(errno.EXDEV):
                        raise
                    self.move_by_copy(folder, source, to_folder, target, request["overwrite"], cancelled)
                return entry(to_folder, target, "to")

    def move_by_copy(self, folder, source, to_folder, target, overwrite, cancelled):
        """To another file system. Put aside first: what may not be removed is not copied, and nobody changes it meanwhile."""
        aside = [*source[:-1], new_unfinished()]
        with Guarded(folder, source, "from"):
            rename(folder, source[-1], folder, aside[-1], False)
        try:
            self.copy_aside(folder, aside, to_folder, target, overwrite, cancelled)
        except BaseException:
            rename(folder, aside[-1], folder, source[-1], False)
            raise
        Removal(threading.Event()).remove_any(folder, aside)
