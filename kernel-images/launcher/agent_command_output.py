"""The output of one command: its streams, its log, and what the log has no room for.

Everything goes into the log (kernel_log.py) before anybody is told. While something waits for room the
streams are not read: the command waits, and nothing here grows.
"""
import json
import os
import selectors

from kernel_log import COMMAND_END, COMMAND_OUTPUT, KernelLog

READ_SIZE = 1 << 16
SEGMENT_MAX, LOG_MAX = 1 << 20, 4 << 20
# What is read of the streams when the command has ended, pieces: as much as two of the largest pipes hold.
LAST_PIECES = 32
# Streams that outlive their command, in the hands of what it left in the background, are emptied for so many at most.
LEFT_BEHIND_MAX = 64


class Stream:
    """One output of a command: where it is read, and the bytes of a character that is not whole yet."""

    def __init__(self, name, fd):
        self.name, self.fd, self.rest = name, fd, b""

    def take(self, data):
        data = self.rest + data
        cut = len(data) - unfinished(data)
        self.rest = data[cut:]
        return data[:cut]

    def take_rest(self):
        rest, self.rest = self.rest, b""
        return rest


def unfinished(data):
    """How many bytes at the end begin a UTF-8 character whose other bytes are not there yet."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            need = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4 if byte < 0xF5 else 0
            return back if need > back else 0
        if byte < 0x80:
            return 0
    return 0


class LeftBehind:
    """Streams of commands that have ended, and to which others still write: these must not be ended or stopped by that."""

    def __init__(self, selector):
        self._selector, self._all = selector, set()

    def take(self, fd):
        if len(self._all) >= LEFT_BEHIND_MAX:
            os.close(fd)
            return
        self._all.add(fd)
        self._selector.register(fd, selectors.EVENT_READ, lambda _: self.discard(fd))

    def discard(self, fd):
        try:
            if os.read(fd, READ_SIZE):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._all.discard(fd)
        self._selector.unregister(fd)
        os.close(fd)


class Output:
    def __init__(self, selector, left_behind, folder, told):
        """`told` is called whenever there is something new in the log."""
        self._selector, self._left_behind, self._folder, self._told = selector, left_behind, folder, told
        self._log = KernelLog(folder, SEGMENT_MAX, LOG_MAX, shared=False)
        self._streams = []
        self._waiting = []  # records that the log has no room for
        self._ended = False  # the last record is made
        self._pieces = LAST_PIECES

    def open(self, streams):
        self._streams = streams
        self.listen()

    @property
    def waits(self):
        return bool(self._waiting)

    @property
    def said_all(self):
        """Nothing more will ever come."""
        return self._ended and not self._waiting

    def terminal(self):
        """The descriptor of a terminal, while it is read."""
        return self._streams[0].fd if self._streams else None

    # Streams ----------------------------------------------------------------------------------

    def read(self, stream):
        """Takes one piece of output; true when there was one."""
        try:
            data = os.read(stream.fd, READ_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""  # A terminal whose last process has closed it.
        if data:
            self.record(COMMAND_OUTPUT, [stream.name, stream.take(data)])
            return True
        self._streams.remove(stream)
        self.ignore(stream)
        os.close(stream.fd)
        self.record(COMMAND_OUTPUT, [stream.name, stream.take_rest()])
        return False

    def ignore(self, stream):
        if stream.fd in self._selector.get_map():
            self._selector.unregister(stream.fd)

    def listen(self):
        """To all while nothing waits, else to none."""
        listening = self._selector.get_map()
        for stream in self._streams:
            if self._waiting:
                self.ignore(stream)
            elif stream.fd not in listening:
                self._selector.register(stream.fd, selectors.EVENT_READ, lambda _, s=stream: self.read(s))

    def leave(self, terminal):
        for stream in self._streams:
            self.ignore(stream)
            if terminal:
                os.close(stream.fd)
            else:
                self._left_behind.take(stream.fd)
        self._streams = []

    # The log ----------------------------------------------------------------------------------

    def record(self, kind, frames):
        if frames[-1]:
            self._waiting.append(self._log.prepare(kind, frames))
            self.drain()

    def drain(self):
        """Writes what waits."""
        before = len(self._waiting)
        while self._waiting and self._log.try_append(self._waiting[0]):
            del self._waiting[0]
        if len(self._waiting) < before:
            self._told()
        self.listen()
        if self.said_all:
            self.close_log()

    def read_rest(self):
        """After the command's end: what its pipes hold; false while the log has no room for it."""
        for stream in list(self._streams):
            while not self._waiting and self._pieces and self.read(stream):
                self._pieces -= 1
        return not self._waiting

    def end(self, how, terminal):
        """The last record. Whoever holds a stream still is not the command any more."""
        for stream in self._streams:
            rest = stream.take_rest()
            if rest:
                self._waiting.append(self._log.prepare(COMMAND_OUTPUT, [stream.name, rest]))
        self._waiting.append(self._log.prepare(COMMAND_END, [json.dumps(how).encode()]))
        self._ended = True
        self.leave(terminal)
        self.drain()

    def is_lost(self):
        """Whether the log was taken away, by the command itself or others of the sandbox."""
        return self._log is not None and self._log.destroyed()

    def give_up(self, terminal):
        """Nobody must wait for what nobody can read."""
        self._waiting.clear()
        self._ended = True
        self.leave(terminal)
        self.close_log()
        self._told()

    def close_log(self):
        log, self._log = self._log, None
        if log is not None:
            log.close()

    def remove(self):
        """The gateway has all of it, or wants none of it."""
        self.close_log()
        try:
            for name in os.listdir(self._folder):
                os.unlink(os.path.join(self._folder, name))
            os.rmdir(self._folder)
        except OSError:
            pass
