"""The open files of remote_files.py, by their numbers."""
import os
import threading

from remote_refusals import FileRefused

HANDLES_MAX = 256


class Handle:
    """An open file: one that is read, or one that is being written (remote_uploads.py)."""

    def __init__(self, fd):
        self.fd = fd
        self.lock = threading.Lock()
        self.upload = None

    def give_up(self):
        """Closes it; an upload that is not complete is removed, unless parts of it are to be kept."""
        with self.lock:
            (fd, self.fd), (upload, self.upload) = (self.fd, None), (self.upload, None)
            if fd is not None:
                os.close(fd)
        if upload is not None:
            upload.end()


class Handles:
    def __init__(self):
        self._lock = threading.Lock()
        self._all = {}
        self._last = 0

    def keep(self, handle):
        with self._lock:
            if len(self._all) >= HANDLES_MAX:
                raise FileRefused(many=True)
            self._last += 1
            self._all[self._last] = handle
            return self._last

    def get(self, number):
        with self._lock:
            handle = self._all.get(number)
        if handle is None:
            raise FileRefused(closed=True)
        return handle

    def take(self, number):
        """From now on it is the caller's to give up; None when it is no more."""
        with self._lock:
            return self._all.pop(number, None)

    def close_all(self):
        with self._lock:
            handles, self._all = self._all, {}
        for handle in handles.values():
            handle.give_up()
