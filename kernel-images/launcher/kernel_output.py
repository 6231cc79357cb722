"""How a kernel's output goes: into its log first, and to the clients after that."""
import codecs
import os
import threading
import time
from collections import deque

from ipykernel.iostream import OutStream

from kernel_log import EXECUTE_REPLY, INPUT_REQUEST, IOPUB, WAIT_FIRST, WAIT_MOST, size_of

DELIMITER = b"<IDS|MSG>"
# The largest text of one stream message, bytes of UTF-8.
PIECE = 1 << 16
# Surely no larger, whatever the characters: a lone surrogate becomes six.
PIECE_CHARACTERS = PIECE // 6
# How much may wait for the IOPub thread to send it before the threads that produce it wait.
UNSENT_MAX = 4 << 20
UNSENT_COUNT_MAX = 1000
URGENT_TOPICS = (b".status", b".execute_input", b".error", b".shutdown_reply")
URGENT_MAX = 1 << 16
LOGGED_REPLIES = {"execute_reply": EXECUTE_REPLY, "input_request": INPUT_REQUEST}


def frames_of(message):
    """The frames after routing ids, delimiter and signature of a message as it is sent."""
    for index, part in enumerate(message):
        if part == DELIMITER:
            return message[index + 2:]
    return message


class Publisher:
    """Stands before ipykernel's IOPub thread: appends to the log in the thread that publishes, so that
    this one waits while the log is full, and lets the IOPub thread send afterwards."""

    def __init__(self, log, iopub_thread, control_thread):
        self.log = log
        self._thread = iopub_thread
        self._control = control_thread
        self._pid = os.getpid()
        self._forked_send = iopub_thread.send_multipart
        self._unsent = deque()
        self._woken = False
        self.replied_to = None
        iopub_thread.send_multipart = self.send_multipart

    def may_wait(self):
        """False in threads that others wait for: they come again later instead."""
        current = threading.current_thread()
        return current is not self._thread.thread and current is not self._control

    def send_multipart(self, message, *args, **kwargs):
        if os.getpid() != self._pid:
            # A forked child: ipykernel hands the message to the parent, which logs it.
            self._forked_send(message, *args, **kwargs)
            return
        record = self.log.prepare(IOPUB, frames_of(message))
        urgent = record.size <= URGENT_MAX and message[0].endswith(URGENT_TOPICS)
        try:
            self.log.append(record, urgent)
        finally:
            if self.log.is_written(record):
                self.send(message, *args, **kwargs)
        if not urgent and self.may_wait():
            while self._is_far_behind(record.size) and self._thread.thread.is_alive():
                time.sleep(WAIT_FIRST)

    def send(self, message, *args, **kwargs):
        """Lets the IOPub thread send a message that is in the log. One wake-up for all that wait: each costs
        a change of threads."""
        self._unsent.append((message, args, kwargs))
        if self._woken:
            return
        try:
            self._woken = True
            self._thread.schedule(self._send_all)
        except BaseException:
            # A signal handler raised, perhaps before the wake-up: the next message makes another.
            self._woken = False
            raise

    def _send_all(self):
        self._woken = False
        while self._unsent:
            message, args, kwargs = self._unsent.popleft()
            self._thread._really_send(message, *args, **kwargs)

    def _is_far_behind(self, size):
        count = len(self._unsent)
        if count > UNSENT_COUNT_MAX:
            return True
        if count * PIECE + size <= UNSENT_MAX:
            return False
        return sum(size_of(part) for message, _, _ in list(self._unsent) for part in message) > UNSENT_MAX

    def log_replies_of(self, session):
        """Also logs what goes over other channels and matters to whoever reads the log."""
        serialize = session.serialize

        def serialize_and_log(msg, ident=None):
            message = serialize(msg, ident)
            kind = LOGGED_REPLIES.get(msg["header"].get("msg_type"))
            if kind is not None and os.getpid() == self._pid:
                if kind == EXECUTE_REPLY:
                    self.replied_to = msg["parent_header"].get("msg_id")
                self.log.append(self.log.prepare(kind, frames_of(message)), urgent=True)
            return message

        session.serialize = serialize_and_log


class Run:
    """Text printed under one parent header. Sealed when a message is made of it: then nothing is added."""

    def __init__(self, parent):
        self.parent, self.parts, self.size, self.sealed = parent, [], 0, False


class Piece:
    """The message in work: made of a run, of which a rest may stay."""

    def __init__(self, run, rest, message, record):
        self.run, self.rest, self.message, self.record = run, rest, message, record
        self.sent = False


class LoggedOutStream(OutStream):
    """sys.stdout and sys.stderr: pieces of at most 64 KiB, hardly more than one in memory, and the thread
    that prints waits while the log is full. No lock is held while it waits.

    As in the log, a signal handler may raise between any two steps; so a piece stays in `_piece` until all
    is done, and each step can be done again.
    """

    publisher = None

    def __init__(self, *args, **kwargs):
        # Before the base class: that starts the thread which writes here.
        self._start_over()
        super().__init__(*args, **kwargs)
        # A child prints after what its parent printed before, and does not print that again.
        os.register_at_fork(before=self._before_fork, after_in_child=self._start_over)

    def write(self, string):
        if not isinstance(string, str):
            raise TypeError(f"write() argument must be str, not {type(string)}")
        if not self._is_master_process():
            return super().write(string)
        if self.echo is not None:
            try:
                self.echo.write(string)
            except OSError:
                pass
        if self.pub_thread is None:
            raise ValueError("I/O operation on closed file")
        parent = self.parent_header
        for piece in (string,) if len(string) <= PIECE_CHARACTERS else pieces_of(string):
            piece, size = sound(piece)
            while not self._put(parent, piece, size):
                self._drain(True, hold_back=True)
        if not self._flush_pending:
            self._schedule_flush()
        return len(string)

    def writelines(self, sequence):
        for string in sequence:
            self.write(string)

    def flush(self):
        if self._is_master_process() and self.pub_thread is not None:
            self._drain(self.publisher.may_wait())
        else:
            super().flush()

    def drain_without_waiting(self):
        return self._drain(False)

    def _flush(self):
        # Called by ipykernel's timer in the IOPub thread, which must not wait for anything.
        if not self._is_master_process():
            super()._flush()
            return
        self._flush_pending = False
        if self.echo is not None:
            try:
                self.echo.flush()
            except OSError:
                pass
        if not self._drain(False):
            self._schedule_flush()

    def _put(self, parent, text, size):
        if not size:
            return True
        with self._runs_lock:
            full = sum([run.size for run in self._runs])
            if full and full + size > PIECE:
                return False
            if not self._runs or self._runs[-1].sealed or self._runs[-1].parent is not parent:
                self._runs.append(Run(parent))
            run = self._runs[-1]
            run.size += size
            run.parts.append(text)
            return True

    def _drain(self, wait, hold_back=False):
        """Publishes what has been printed; says whether it did. With hold_back, an unfinished last line
        stays behind to be joined by its rest."""
        pause = 0
        try:
            while True:
                with self._drain_lock:
                    if self._publish(hold_back):
                        return True
                if not wait:
                    return False
                pause = min(pause * 2, WAIT_MOST) or WAIT_FIRST
                time.sleep(pause)
        except BaseException:
            if pause:
                self.publisher.log.wait_interrupted()
            raise

    def _publish(self, hold_back):
        published = False
        while True:
            if self._piece is None:
                if published and hold_back and len(self._runs) < 2:
                    return True
                self._piece = self._next_piece(hold_back)
            piece = self._piece
            if piece is None:
                return True
            if piece.record is not None and not self.publisher.log.try_append(piece.record):
                return False
            with self._runs_lock:
                if self._runs and self._runs[0] is piece.run:
                    self._runs[:1] = [piece.rest] if piece.rest else []
            if piece.record is not None and not piece.sent:
                piece.sent = True
                self.publisher.send(piece.message)
            self._piece = None
            published = True

    def _next_piece(self, hold_back):
        with self._runs_lock:
            if not self._runs:
                return None
            run = self._runs[0]
            run.sealed = True
            last = len(self._runs) == 1
        text, rest = "".join(run.parts), None
        cut = text.rfind("\n") + 1 if hold_back and last else 0
        if 0 < cut < len(text):
            rest = Run(run.parent)
            rest.parts, rest.size = [text[cut:]], sound(text[cut:])[1]
            text = text[:cut]
        msg = self.session.msg("stream", {"name": self.name, "text": text}, parent=run.parent)
        for hook in getattr(self, "_hooks", ()):
            msg = hook(msg)
            if msg is None:
                return Piece(run, rest, None, None)
        message = self.session.serialize(msg, self.topic)
        return Piece(run, rest, message, self.publisher.log.prepare(IOPUB, frames_of(message)))

    def _watch_pipe_fd(self):
        """Reads what subprocesses and libraries write to the descriptor itself. Must survive everything:
        when nobody reads, they hang."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while self._should_watch:
            try:
                data = os.read(self._fid, PIECE // 4)
            except OSError:
                return
            if not data or not self._should_watch:
                return
            try:
                self.write(decoder.decode(data))
                os.write(self._original_stdstream_copy, data)
            except (OSError, ValueError):
                pass

    def _before_fork(self):
        if self.pub_thread is not None and self._is_master_process():
            self._drain(False)

    def _start_over(self):
        """Also in a forked child: other threads may have held the locks."""
        self._runs_lock = threading.Lock()
        self._drain_lock = threading.Lock()
        self._buffer_lock = threading.RLock()
        self._runs, self._piece = [], None


def sound(text):
    """A text that can be sent, and its bytes. Lone surrogates cannot: they would keep all that follows."""
    if text.isascii():
        return text, len(text)
    try:
        return text, len(text.encode())
    except UnicodeEncodeError:
        data = text.encode("utf-8", "backslashreplace")
        return data.decode(), len(data)


def pieces_of(string):
    """Cuts a text into pieces that are at most PIECE bytes of UTF-8, after a line where one ends."""
    limit = PIECE if string.isascii() else PIECE_CHARACTERS
    start, end = 0, len(string)
    while start < end:
        stop = start + limit
        if stop < end:
            stop = string.rfind("\n", start, stop) + 1 or stop
        yield string[start:stop]
        start = stop
