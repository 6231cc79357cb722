"""Reads the variables of a snapshot, each for itself; see kernel_snapshot.py."""
import json
import os
import pickle
import sys

from kernel_snapshot_outside import persistent_load


class Reader:
    """Reads with the unpickler in C, and after the first variable that fails with the slow one, which can go on behind it."""

    def __init__(self, dill, stream, buffers):
        self._stream, self._buffers = stream, buffers
        self._sections = self._read_index()
        lengths = (length for section in self._sections for length in section["buffers"])
        self._stream.seek(0)
        self._fast = dill.Unpickler(stream, buffers=map(self._buffer, lengths), ignore=True)
        self._fast._main = sys.modules["__main__"]
        self._fast.persistent_load = persistent_load
        self._slow = None

    def sections(self):
        return self._sections

    def read(self, section):
        if self._slow is None:
            try:
                return self._fast.load()
            except BaseException:
                self._slow = SlowReader(self._stream, Memo(self._fast.memo.copy()))
                raise
        self._buffers.seek(section["bufferStart"])
        return self._slow.read_section(section, map(self._buffer, section["buffers"]))

    def _read_index(self):
        self._stream.seek(-8, os.SEEK_END)
        length = int.from_bytes(self._stream.read(8), "little")
        self._stream.seek(-8 - length, os.SEEK_END)
        return json.loads(self._stream.read(length))

    def _buffer(self, length):
        data = bytearray(length)
        if self._buffers.readinto(data) != length:
            raise pickle.UnpicklingError("its data ends too early")
        return data


class SlowReader(pickle._Unpickler):
    def __init__(self, stream, memo):
        super().__init__(stream, buffers=())
        self._stream, self.memo = stream, memo

    def read_section(self, section, buffers):
        self._stream.seek(section["start"])
        self.memo.start_at(section["memo"])
        self._buffers = buffers
        return self.load()

    def persistent_load(self, what):
        return persistent_load(what)

    def find_class(self, module, name):
        """As dill's: these are its words for the dictionary of __main__ and for the type of None."""
        if (module, name) == ("__builtin__", "__main__"):
            return sys.modules["__main__"].__dict__
        if (module, name) == ("__builtin__", "NoneType"):
            return type(None)
        return super().find_class(module, name)


class Memo(dict):
    """What earlier variables have, at the places where they were when it was written."""

    LOST = object()

    def start_at(self, count):
        while len(self) > count:
            self.popitem()
        while len(self) < count:
            super().__setitem__(len(self), self.LOST)

    def __getitem__(self, place):
        value = super().__getitem__(place)
        if value is self.LOST:
            raise pickle.UnpicklingError("it shares something with a variable that could not be restored")
        return value
