"""The log of a kernel: every message is appended here before it is published.

A folder of segments 0000000001.seg, 0000000002.seg ...; the reader removes those it is done with and
the writer waits while more than a given amount lies there. A record, little endian:

  u32 length of payload | u32 crc32(seq, kind, 3 zero bytes, payload) | u64 seq | u8 kind | 3 zero bytes | payload

Payload: u16 number of frames, then per frame u32 length and bytes. Bytes once written are never
taken back: a reader may have read them.
"""
import os
import struct
import threading
import time
from zlib import crc32

IOPUB, INPUT_REQUEST, EXECUTE_REPLY, LEFT_OUT = 1, 2, 3, 4
# Of a command: a piece of its output (name of the stream, bytes), and how it ended (JSON).
COMMAND_OUTPUT, COMMAND_END = 5, 6

HEAD = struct.Struct("<II")
BODY_HEAD = struct.Struct("<QB3x")
COUNT = struct.Struct("<H")
LENGTH = struct.Struct("<I")

# Small messages of the protocol (status, replies, errors) may go this far over the limit, so that an
# interrupted kernel can say so while its output still waits to be read.
RESERVE = 1 << 20
# After a wait was interrupted, what was printed before may use this much of it, until there is room.
RELIEF = RESERVE // 2
# Above this many bytes a record is handed to the system in parts instead of being copied together.
JOIN_MAX = 1 << 18
# The system takes at most 1024 parts at once.
PARTS_MAX = 1000
# A header larger than this is not worth repeating for a message that is left out anyway.
LEFT_OUT_HEADER_MAX = 1 << 16
WAIT_FIRST, WAIT_MOST = 0.002, 0.05


def size_of(frame):
    return len(frame) if isinstance(frame, bytes) else memoryview(frame).nbytes


class Segment:
    """One file being written; an object of its own so that changing to the next is one assignment."""

    def __init__(self, number, file):
        self.number, self.file, self.written = number, file, 0


class Record:
    """A message on its way into the log."""

    def __init__(self, kind, parts, size):
        self.kind, self.parts, self.size = kind, parts, size
        self.sequence = self.segment = self.start = None
        # Begun: some of it is in the file, so all of it will be. Done: all of it is.
        self.begun = self.done = False


class KernelLog:
    """The writer. Any thread may append; a forked child must not.

    A signal handler of the user's code may raise between any two steps of an append in the main
    thread (Ctrl-C does). So the record in work stays in `_record` until it is known to be whole, and
    whoever comes next looks at the file to see how far it got.
    """

    def __init__(self, folder, segment_max=4 << 20, log_max=64 << 20, message_max=16 << 20, shared=True):
        self._log_max = log_max
        # Several segments must fit below the limit, or nothing could be removed at it.
        self._segment_max = max(1, min(segment_max, log_max // 4))
        self._message_max = message_max
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._sequence = 0
        self._closed_bytes = 0
        self._record = None
        self._relieved = False
        self._segment = None
        try:
            if any(name.endswith(".seg") for name in os.listdir(self._folder)):
                raise ValueError("the log folder holds another kernel's log")
            self._next_segment()
        except BaseException:
            os.close(self._folder)
            raise
        if shared:
            # Another thread may hold the lock when the process forks. This keeps the object for good.
            os.register_at_fork(after_in_child=self._free_lock)

    def close(self):
        """For a writer whose log comes to an end before its process does."""
        os.close(self._segment.file)
        os.close(self._folder)

    def prepare(self, kind, frames):
        """Makes the record of a message's frames: header, parent header, metadata, content, buffers."""
        size = COUNT.size + sum([LENGTH.size + size_of(frame) for frame in frames])
        if size > self._message_max or len(frames) > 0xFFFF:
            kind, frames = LEFT_OUT, self._left_out(frames, size)
            size = COUNT.size + sum([LENGTH.size + len(frame) for frame in frames])
        parts = [COUNT.pack(len(frames))]
        for frame in frames:
            parts.append(LENGTH.pack(size_of(frame)))
            parts.append(frame)
        if size <= JOIN_MAX or len(parts) > PARTS_MAX:
            parts = [b"".join(parts)]
        return Record(kind, parts, HEAD.size + BODY_HEAD.size + size)

    def append(self, record, urgent=False):
        """Waits while the log is full or cannot be written.

        An exception raised by a signal handler ends the wait of an ordinary record; see is_written. Before
        a KeyboardInterrupt is passed on, an urgent one is written all the same.
        """
        interrupt = None
        pause = WAIT_FIRST
        while True:
            try:
                if self.try_append(record, urgent):
                    break
                time.sleep(pause)
                pause = min(pause * 2, WAIT_MOST)
            except BaseException as error:
                self._relieved = True
                if not urgent or not isinstance(error, KeyboardInterrupt):
                    raise
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def try_append(self, record, urgent=False):
        """Appends a record when that needs no waiting; says whether it is in the log."""
        with self._lock:
            try:
                if self._record is None or self._complete():
                    if not record.begun and self._has_room(record.size, urgent):
                        self._write(record)
            except OSError:
                # No space, no descriptors, folder gone: until that is over everything waits.
                pass
            return record.done

    def destroyed(self):
        """Whether somebody has taken the log away, so that what is written to it nobody can read."""
        return os.fstat(self._folder).st_nlink == 0 or os.fstat(self._segment.file).st_nlink == 0

    def is_written(self, record):
        """Whether a record is or will be in the log; also right after an append that raised."""
        if not record.done:
            with self._lock:
                try:
                    if self._record is record:
                        self._complete()
                except OSError:
                    pass
        return record.begun

    def wait_interrupted(self):
        """Says that somebody gave up waiting for room; see RELIEF."""
        self._relieved = True

    def _write(self, record):
        if self._segment.written >= self._segment_max:
            self._next_segment()
        segment = self._segment
        record.sequence, record.segment, record.start = self._sequence + 1, segment, segment.written
        head = BODY_HEAD.pack(record.sequence, record.kind)
        check = crc32(head)
        for part in record.parts:
            check = crc32(part, check)
        prefix = HEAD.pack(record.size - HEAD.size - BODY_HEAD.size, check) + head
        self._record = record
        if len(record.parts) == 1 and record.size <= JOIN_MAX:
            record.bytes = prefix + record.parts[0]
            written = os.write(segment.file, record.bytes)
        else:
            record.bytes = None
            record.prefix = prefix
            written = os.writev(segment.file, [prefix, *record.parts])
        record.begun = True
        if written == record.size:
            self._sequence = record.sequence
            segment.written += written
            record.done = True
            self._record = None
        else:
            self._complete()

    def _complete(self):
        """Brings the record in work to an end: all of it in the log, or nothing."""
        record = self._record
        if record.segment is not self._segment:
            record.start, record.segment = 0, self._segment
        segment = self._segment
        segment.written = os.fstat(segment.file).st_size
        done = segment.written - record.start
        if done <= 0 and not record.begun:
            self._record = None
            if segment.written:
                self._next_segment()
            return True
        record.begun = True
        try:
            while done < record.size:
                data = record.bytes or b"".join([record.prefix, *record.parts])
                done += os.write(segment.file, data[done:])
        except OSError:
            # The disk is full, perhaps of this log: only in a new segment can the reader free what lies
            # in this one. The record goes there whole; the same bytes, so it matters to nobody who has
            # read the beginning of it here.
            if record.start:
                os.ftruncate(segment.file, record.start)
                self._next_segment()
                record.start, record.segment = 0, self._segment
            return False
        self._sequence = record.sequence
        segment.written = record.start + record.size
        record.done = True
        self._record = None
        return True

    def _has_room(self, size, urgent):
        wanted = self._closed_bytes + self._segment.written + size
        if wanted <= self._log_max:
            self._relieved = False
            return True
        self._closed_bytes = self._measure()
        # A reader can remove closed segments only; when there are none, waiting would be for ever.
        if self._closed_bytes == 0:
            return True
        limit = self._log_max + (RESERVE if urgent else RELIEF if self._relieved else 0)
        return self._closed_bytes + self._segment.written + size <= limit

    def _measure(self):
        current, total = self._name(self._segment.number), 0
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(".seg") and entry.name != current:
                    try:
                        total += entry.stat(follow_symlinks=False).st_size
                    except FileNotFoundError:
                        pass
        return total

    def _next_segment(self):
        last = self._segment
        number = last.number + 1 if last is not None else 1
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            file = os.open(self._name(number), flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=self._folder)
        except FileExistsError:
            # Made a moment ago by an append that a signal handler cut short.
            file = os.open(self._name(number), flags, dir_fd=self._folder)
            if os.fstat(file).st_size:
                os.close(file)
                raise
        self._segment = Segment(number, file)
        if last is not None:
            os.close(last.file)
            self._closed_bytes = self._measure()

    @staticmethod
    def _name(segment):
        return "%010d.seg" % segment

    @staticmethod
    def _left_out(frames, size):
        import json

        headers = [bytes(frame) if size_of(frame) <= LEFT_OUT_HEADER_MAX else b"{}" for frame in frames[:2]]
        try:
            message_type = json.loads(headers[0])["msg_type"]
        except (ValueError, LookupError, TypeError):
            message_type = None
        content = json.dumps({"msg_type": message_type, "size": size}).encode()
        return [*headers, b"{}", content]

    def _free_lock(self):
        self._lock = threading.Lock()
