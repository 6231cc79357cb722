"""Writes the variables of a snapshot, each as a section of its own; see kernel_snapshot.py."""
import hashlib
import pickle
import sys

from kernel_snapshot_outside import PLAIN, persistent_id


class TooLarge(Exception):
    pass


class NotPlain(Exception):
    pass


class NoRoom(BaseException):
    """The disk is full. No variable's fault, and not to be caught by the code of one."""


class Writer:
    def __init__(self, dill, stream, buffers):
        self.dill, self.stream, self.buffers = dill, stream, buffers
        self.pickler = self._new_pickler(stream, self._keep_buffer)

    @property
    def written(self):
        return self.stream.size + self.buffers.size

    def add(self, value, most):
        pickler = self.pickler
        start, buffer_start, memo_start = self.stream.size, self.buffers.size, len(pickler.memo)
        self._lengths = []
        limit = self.written + most
        self.stream.room = self.buffers.room = lambda: limit - self.written
        try:
            pickler.dump(value)
            digest = self.digest_of(value)
        except BaseException:
            while len(pickler.memo) > memo_start:
                pickler.memo.popitem()
            pickler.framer.current_frame = None
            pickler._postproc.clear()
            self.stream.cut(start)
            self.buffers.cut(buffer_start)
            raise
        finally:
            self.stream.room = self.buffers.room = None
        return {
            "start": start,
            "memo": memo_start,
            "bufferStart": buffer_start,
            "buffers": self._lengths,
            "size": self.written - start - buffer_start,
            "digest": digest,
        }

    def digest_of(self, value):
        """Of a pickle of its own, for what is in the file depends on the variables before it."""
        try:
            digest = hashlib.sha256(b"plain")
            PlainPickler(DigestSink(digest), protocol=5).dump(value)
            return digest.hexdigest()
        except (NotPlain, RecursionError):
            digest = hashlib.sha256()
        pickler = self._new_pickler(DigestSink(digest), lambda buffer: digest.update(buffer.raw()))
        memoize = pickler.memoize
        # Whether two equal texts are one object is nobody's doing, and neither is the order of a set.
        pickler.memoize = lambda obj: None if type(obj) in (str, bytes) else memoize(obj)
        pickler.reducer_override = lambda obj: reduce_sorted(obj) if type(obj) in (set, frozenset) else reduce_array(obj)
        pickler.dump(value)
        return digest.hexdigest()

    def _new_pickler(self, sink, keep_buffer):
        pickler = self.dill.Pickler(sink, protocol=5, buffer_callback=keep_buffer)
        pickler._main = sys.modules["__main__"]
        pickler.persistent_id = persistent_id
        pickler.reducer_override = reduce_array
        return pickler

    def _keep_buffer(self, buffer):
        with buffer.raw() as raw:
            self._lengths.append(raw.nbytes)
            self.buffers.write(raw)


class PlainPickler(pickle.Pickler):
    """In C, and so many times faster: for what consists of plain data alone."""

    def persistent_id(self, value):
        if type(value) not in PLAIN or type(value) in (set, frozenset):
            raise NotPlain
        return None


def reduce_array(value):
    """dill takes arrays apart in its own way, with a copy of all they hold."""
    kind = type(value)
    if kind.__qualname__ == "ndarray" and kind.__module__ == "numpy" and not value.dtype.hasobject:
        return value.__reduce_ex__(5)
    return NotImplemented


def reduce_sorted(value):
    if all(type(item) in (str, bytes, int, float, bool) for item in value):
        return type(value), (sorted(value, key=lambda item: (type(item).__name__, item)),)
    return NotImplemented


class DigestSink:
    def __init__(self, digest):
        self._digest = digest

    def write(self, data):
        self._digest.update(data)


class Sink:
    """A file that knows its size and how much may still come."""

    def __init__(self, file):
        self.file, self.size, self.room = file, 0, None

    def write(self, data):
        length = data.nbytes if isinstance(data, memoryview) else len(data)
        if self.room is not None and length > self.room():
            raise TooLarge
        try:
            self.file.write(data)
        except OSError as error:
            raise NoRoom(error.strerror) from None
        self.size += length
        return length

    def cut(self, size):
        try:
            self.file.seek(size)
            self.file.truncate()
        except OSError as error:
            raise NoRoom(error.strerror) from None
        self.size = size

    def flush(self):
        try:
            self.file.flush()
        except OSError as error:
            raise NoRoom(error.strerror) from None
