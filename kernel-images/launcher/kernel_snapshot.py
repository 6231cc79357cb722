"""Keeps the variables of a namespace in two files, and brings them back. Needs the standard library and dill.

One pickle a variable, one after the other in one file, all with one memo: what two variables share is one object
again when they come back, and a variable that cannot be kept, or not be brought back, takes none of the others
with it but those that share something with it. Large buffers (arrays, tables) go into the second file as they are,
without a copy in memory. At the end of the first file is an index, as JSON, and its length in 8 bytes.

This file needs no other, so that it can also be sent to a kernel as code.
"""
import copyreg
import hashlib
import importlib
import io
import json
import keyword
import os
import pickle
import re
import sys
import types

# What IPython puts into the namespace of its users by itself.
HISTORY = re.compile(r"(_+|_(i{1,3}|ii*h?|[iod]h|exit_code)|_i?[0-9]+|__.*__)\Z")
PLAIN = frozenset((type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset))
REASON_MAX, NAME_MAX = 300, 256
MODULE = "module"


class TooLarge(Exception):
    pass


class NotKept(Exception):
    pass


class NotPlain(Exception):
    pass


class NoRoom(BaseException):
    """The disk is full. No variable's fault, and not to be caught by the code of one."""


def answer(shell, content):
    """{"save": {...}} or {"load": {...}}, with the arguments of these."""
    if "save" in content:
        return save(shell.user_ns, shell.user_ns_hidden, **content["save"])
    return load(shell.user_ns, **content["load"])


def save(namespace, hidden, stream_path, buffers_path, most, most_each, most_names):
    """Writes what can be kept, and says what is there: {"kept": [...], "left": [...], "cwd": ...}."""
    import dill

    kept, left, sections = [], [], []
    names = sorted(name for name in list(namespace) if is_users(name, namespace, hidden))
    with open_new(stream_path) as stream, open_new(buffers_path) as buffers:
        writer = Writer(dill, Sink(stream), Sink(buffers))
        for name in names:
            if name not in namespace:
                continue  # The code of another variable has removed it.
            value = namespace[name]
            if len(kept) + len(left) >= most_names:
                left.append({"name": name, "type": type_name(value), "reason": "there are more than %d variables" % most_names})
                break
            try:
                section = writer.add(value, min(most_each, most - writer.written))
            except TooLarge:
                why = "more than the %d bytes that one variable may have" % most_each
                if most - writer.written < most_each:
                    why = "the snapshot would have more than the %d bytes that it may have" % most
                left.append({"name": name, "type": type_name(value), "reason": why})
            except (KeyboardInterrupt, NoRoom):
                raise
            except BaseException as error:
                left.append({"name": name, "type": type_name(value), "reason": reason_of(error)})
            else:
                kept.append({"name": name, "type": type_name(value), "size": section["size"], "digest": section.pop("digest")})
                sections.append({"name": name, **section})
        index = json.dumps(sections).encode()
        writer.stream.write(index + len(index).to_bytes(8, "little"))
        writer.stream.flush()
        writer.buffers.flush()
    return {"kept": kept, "left": left, "cwd": attempt(os.getcwd)}


def load(namespace, stream_path, buffers_path, cwd=None):
    """Brings the variables back; {"restored": n, "lost": [{"name", "reason"}]}."""
    import dill

    if cwd:
        attempt(lambda: os.chdir(cwd))
    lost, restored = [], 0
    with open(stream_path, "rb") as stream, open(buffers_path, "rb") as buffers:
        reader = Reader(dill, stream, buffers)
        for section in reader.sections():
            try:
                namespace[section["name"]] = reader.read(section)
                restored += 1
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                lost.append({"name": section["name"], "reason": reason_of(error)})
    return {"restored": restored, "lost": lost}


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


def persistent_id(value):
    """Modules come back by being imported again. What stands for something outside of the namespace does not come back."""
    kind = type(value)
    if kind in PLAIN:
        return None
    if isinstance(value, type) and value.__module__ == "__main__":
        copyreg._slotnames(value)  # Kept in the class when it is first asked for: it must not differ the next time.
        return None
    if kind is types.ModuleType:
        if value.__name__ != "__main__" and sys.modules.get(value.__name__) is not value:
            raise NotKept("a module that cannot be imported again: %s" % value.__name__)
        return MODULE, value.__name__
    word = OUTSIDE.get(kind)
    if word is None:
        for base in kind.__mro__:
            word = OUTSIDE_NAMES.get((base.__module__, base.__qualname__))
            if word is not None:
                break
        else:
            if isinstance(value, io.IOBase) and not isinstance(value, (io.BytesIO, io.StringIO)):
                word = "an open file"
        OUTSIDE[kind] = word or ""
    if word:
        raise NotKept(word)
    return None


def persistent_load(what):
    if type(what) is not tuple or what[0] != MODULE:
        raise pickle.UnpicklingError("it refers to something that is not kept in snapshots")
    return importlib.import_module(what[1])


# By name: nothing is imported for it, and what nobody has imported has no objects.
OUTSIDE_NAMES = {
    ("builtins", "generator"): "a generator, whose position cannot be kept",
    ("builtins", "async_generator"): "an asynchronous generator, whose position cannot be kept",
    ("builtins", "coroutine"): "a coroutine under way",
    ("builtins", "frame"): "a frame of running code",
    ("builtins", "traceback"): "a traceback, which holds frames of running code",
    ("socket", "socket"): "a socket",
    ("_socket", "socket"): "a socket",
    ("ssl", "SSLSocket"): "a socket",
    ("threading", "Thread"): "a thread",
    ("threading", "Event"): "an event of threads",
    ("threading", "Condition"): "a condition of threads",
    ("threading", "Semaphore"): "a semaphore",
    ("_thread", "lock"): "a lock",
    ("_thread", "RLock"): "a lock",
    ("_thread", "_local"): "data of one thread",
    ("subprocess", "Popen"): "a process",
    ("multiprocessing.process", "BaseProcess"): "a process",
    ("multiprocessing.pool", "Pool"): "a pool of processes",
    ("concurrent.futures._base", "Executor"): "a pool of workers",
    ("concurrent.futures._base", "Future"): "a result that is still to come",
    ("asyncio.events", "AbstractEventLoop"): "an event loop",
    ("_asyncio", "Task"): "a task under way",
    ("_asyncio", "Future"): "a result that is still to come",
    ("sqlite3", "Connection"): "a connection to a database",
    ("sqlite3", "Cursor"): "a cursor of a database",
    ("mmap", "mmap"): "a file in memory",
    ("zmq.sugar.socket", "Socket"): "a socket",
    ("zmq.sugar.context", "Context"): "a context of sockets",
    ("IPython.core.interactiveshell", "InteractiveShell"): "the shell itself",
}
OUTSIDE = {}


def is_users(name, namespace, hidden):
    if not isinstance(name, str) or len(name) > NAME_MAX or not name.isidentifier() or keyword.iskeyword(name) or HISTORY.match(name):
        return False
    return name not in hidden or namespace[name] is not hidden[name]


def open_new(path):
    return open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def type_name(value):
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)
    return sound(name)[:NAME_MAX]


def reason_of(error):
    if isinstance(error, NotKept):
        return sound(str(error))[:REASON_MAX]
    if isinstance(error, RecursionError):
        return "its objects are nested too deeply"
    try:
        return sound("%s: %s" % (type(error).__name__, error))[:REASON_MAX]
    except BaseException:
        return "an error that cannot be shown"


def sound(text):
    return str(text).encode("utf-8", "backslashreplace").decode()


def attempt(act):
    try:
        return act()
    except OSError:
        return None
