"""The connection to the agent of commands, for remote_commands.py: questions with their answers, and events."""
import json
import socket
import struct
import threading

from remote_refusals import Refused

ANSWER_PATIENCE = 18.0
# An agent that takes nothing for so long (seconds) is no better than one that has ended.
SEND_PATIENCE = 10
# The agent closes the connection at a longer line.
REQUEST_MAX = 1 << 20
LINE_MAX = 2 << 20
ENDED = "The agent of the commands has ended."
SILENT = "The agent of the commands does not answer."


def reach(path):
    """A connection to whoever listens there, or None."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The wait for somebody who is there and accepts nobody ends by it too.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_PATIENCE, 0))
        sock.connect(path)
        return sock
    except BlockingIOError:
        sock.close()
        raise Refused("silent", SILENT) from None
    except OSError:
        sock.close()
        return None


class Link:
    def __init__(self, sock, heard):
        """`heard` is called for each event, and once it has ended."""
        self.ended = False
        self._sock, self._heard = sock, heard
        self._sending, self._lock = threading.Lock(), threading.Lock()
        self._pending, self._last = {}, 0
        try:
            threading.Thread(target=self._read, daemon=True).start()
        except BaseException:
            sock.close()
            raise

    def ask(self, request):
        waiting = [threading.Event(), None]
        with self._lock:
            if self.ended:
                raise Refused("gone", ENDED)
            self._last += 1
            number = self._last
            self._pending[number] = waiting
        try:
            self._send(json.dumps({**request, "id": number}).encode() + b"\n")
            if not waiting[0].wait(ANSWER_PATIENCE):
                raise Refused("silent", SILENT)
        finally:
            with self._lock:
                self._pending.pop(number, None)
        if waiting[1] is None:
            raise Refused("gone", ENDED)
        if not waiting[1].get("ok"):
            raise Refused(str(waiting[1].get("code") or "failed"), waiting[1].get("error"))
        return waiting[1]

    def close(self):
        """The thread that reads hears of it, and ends."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _send(self, line):
        if len(line) > REQUEST_MAX:
            raise Refused("large", "The command, its environment variables and its input are too large: together they may have %d bytes." % REQUEST_MAX)
        with self._sending:
            try:
                self._sock.sendall(line)
            except OSError:
                # A part of it may have gone: whatever follows would be a part of the same line.
                self.close()
                raise Refused("gone", ENDED) from None

    def _read(self):
        try:
            rest = bytearray()
            while len(rest) <= LINE_MAX:
                data = self._sock.recv(1 << 16)
                if not data:
                    break
                *lines, rest[:] = (bytes(rest) + data).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))
        except Exception:
            pass  # Whatever came, it was no agent's word, and this was the last of it.
        finally:
            self._end()

    def _take(self, message):
        if "event" in message:
            self._heard()
            return
        with self._lock:
            waiting = self._pending.get(message.get("id"))
        if waiting is not None:
            waiting[1] = message
            waiting[0].set()

    def _end(self):
        with self._lock:
            self.ended = True
            waiting, self._pending = self._pending, {}
        # Not while somebody sends: the number would be another's by then.
        self.close()
        with self._sending:
            self._sock.close()
        for one in waiting.values():
            one[0].set()
        self._heard()
