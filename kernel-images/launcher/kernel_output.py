"""What user code prints: collected into messages, and never more of them than the log has room for."""
import codecs
import os
import threading
import time

from ipykernel.iostream import OutStream

from kernel_log import IOPUB, WAIT_FIRST, WAIT_MOST
from kernel_publisher import frames_of
from kernel_texts import PIECE, PIECE_CHARACTERS, pieces_of, sound


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
