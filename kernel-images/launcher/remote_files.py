"""The files of a Jupyter server's machine, for remote_agent.py.

Paths are walked name by name through opened folders; no symbolic link is followed. How they are written,
and how it is said what is in the way, is in remote_paths.py.
"""
import base64
import os

from remote_changes import Changes
from remote_folders import Folders
from remote_handles import Handle, Handles
from remote_paths import LISTING, READING, Guarded, Opened, demand_file, describe, names_in
from remote_refusals import FileRefused
from remote_trees import Page
from remote_uploads import Uploads

CHUNK_MAX = 1 << 20


class Files:
    def __init__(self):
        self.folders, self.handles = Folders(), Handles()
        self.uploads, self.changes = Uploads(self.folders, self.handles), Changes(self.folders)

    def operations(self):
        return {
            "stat": self.stat, "open": self.open, "read": self.read, "close": self.close, "list": self.list,
            **self.uploads.operations(), **self.changes.operations(),
        }

    def stat(self, request, _):
        return self.folders.stat(names_in(request))

    def open(self, request, _):
        names = names_in(request)
        if not names:
            with Opened(self.folders.enter(names, "path")) as top:
                demand_file(os.fstat(top), names, "path")
        with self.folders.parent(names, "path") as folder, Guarded(folder, names, "path"):
            fd = os.open(names[-1], READING, dir_fd=folder)
        try:
            status = os.fstat(fd)
            demand_file(status, names, "path")
            return {"handle": self.handles.keep(Handle(fd)), "stat": describe(status)}
        except BaseException:
            os.close(fd)
            raise

    def read(self, request, _):
        handle = self.handles.get(request["handle"])
        with handle.lock, Guarded(None, [], "path"):
            if handle.fd is None:
                raise FileRefused(closed=True)
            data = os.pread(handle.fd, min(request["count"], CHUNK_MAX), request["offset"])
        return {"data": base64.b64encode(data).decode()}

    def close(self, request, _):
        """Gives up a file; one that is not complete is removed, unless parts of it are to be kept."""
        handle = self.handles.take(request["handle"])
        if handle is not None:
            upload = handle.upload
            if upload is not None and request["discard"]:
                upload.keep = False
            handle.give_up()

    def list(self, request, cancelled):
        with Opened(self.folders.enter(names_in(request), "path", LISTING)) as top:
            return Page(request["depth"], request["limit"], cancelled).fill(top, names_in(request, "after"))
