"""What stands for something outside of a namespace, and so is not kept with it; modules are imported again."""
import copyreg
import importlib
import io
import pickle
import sys
import types

PLAIN = frozenset((type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset))
MODULE = "module"


class NotKept(Exception):
    pass


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
