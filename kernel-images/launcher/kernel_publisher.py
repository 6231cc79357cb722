"""How a kernel's messages go: into its log first, and to the clients after that."""
import os
import threading
import time
from collections import deque

from kernel_log import EXECUTE_REPLY, INPUT_REQUEST, IOPUB, WAIT_FIRST, size_of
from kernel_texts import PIECE

DELIMITER = b"<IDS|MSG>"
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
