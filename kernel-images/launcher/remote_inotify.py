"""The system's events about folders, for remote_watch.py."""
import ctypes
import os
import select
import struct
import threading

from remote_refusals import FileRefused

MODIFY, ATTRIBUTES, MOVED_FROM, MOVED_TO, CREATED, DELETED, SELF_DELETED = 0x2, 0x4, 0x40, 0x80, 0x100, 0x200, 0x400
UNMOUNTED, OVERFLOWED, IGNORED, IS_FOLDER = 0x2000, 0x4000, 0x8000, 0x40000000
ONLY_FOLDER = 0x01000000
MASK = MODIFY | ATTRIBUTES | MOVED_FROM | MOVED_TO | CREATED | DELETED | SELF_DELETED | ONLY_FOLDER
HEAD = struct.Struct("iIII")
BUFFER = 1 << 16


class Inotify:
    """Belongs to the thread that waits for events; all that others may do with it is to stop it."""

    def __init__(self):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._lock = threading.Lock()
        self._stop_read, self._stop_write = os.pipe2(os.O_CLOEXEC)
        self._fd = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0:
            number = ctypes.get_errno()
            self.close()
            raise FileRefused(watches=os.strerror(number))
        self._waiting = select.poll()
        self._waiting.register(self._fd, select.POLLIN)
        self._waiting.register(self._stop_read, select.POLLIN)

    def add(self, folder):
        """The number of a folder from now on, or None and the reason in errno; by the system's own name for the opened folder, on which there is no link."""
        number = self._libc.inotify_add_watch(self._fd, b"/proc/self/fd/%d" % folder, ctypes.c_uint32(MASK))
        return (number, 0) if number >= 0 else (None, ctypes.get_errno())

    def remove(self, number):
        self._libc.inotify_rm_watch(self._fd, number)

    def wait(self):
        """Until there are events; false when it was stopped."""
        return not any(fd == self._stop_read for fd, _ in self._waiting.poll())

    def has_more(self):
        return any(fd == self._fd for fd, _ in self._waiting.poll(0))

    def take(self):
        """The events that are there: [number of the folder, mask, cookie, name]."""
        try:
            data = os.read(self._fd, BUFFER)
        except BlockingIOError:
            return []
        events, at = [], 0
        while at + HEAD.size <= len(data):
            number, mask, cookie, size = HEAD.unpack_from(data, at)
            name = data[at + HEAD.size:at + HEAD.size + size].split(b"\0", 1)[0]
            events.append((number, mask, cookie, name))
            at += HEAD.size + size
        return events

    def stop(self):
        with self._lock:
            # Closed, its number may be that of somebody's file by now.
            if self._stop_write is not None:
                os.write(self._stop_write, b"x")

    def close(self):
        with self._lock:
            for fd in (self._fd, self._stop_read, self._stop_write):
                if fd is not None and fd >= 0:
                    os.close(fd)
            self._fd = self._stop_read = self._stop_write = None
