"""Commands, for remote_agent.py: run by the same agent as in sandboxes of this host (agent.py), in a process of its own.

So they live on when the utility kernel ends, and another one finds them by the name of the place: a
folder that only this user can use, with the agent's socket and the logs of the commands. Here the
gateway's requests are passed on, and the bytes of the logs are given to it: it copies them, at the
same places of files of the same names, and says which it has, which are removed then. What is not
removed makes the command wait.
"""
import base64
import json
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

START_PATIENCE = 15.0
ANSWER_PATIENCE = 18.0
# The agent closes the connection at a longer line.
REQUEST_MAX = 1 << 20
LINE_MAX = 2 << 20
TOPIC = "logs"
SEGMENT = re.compile(r"^[0-9]{10}\.seg$")
COMMAND = re.compile(r"^[0-9a-f]{32}$")
PLACE = re.compile(r"^[A-Za-z0-9_-]{1,48}$")


class Refused(Exception):
    """What cannot be done, with a word for programs."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Link:
    """The connection to the agent."""

    def __init__(self, sock, heard, closed):
        self.sock, self.heard, self.closed = sock, heard, closed
        self.sending, self.lock = threading.Lock(), threading.Lock()
        self.pending, self.last, self.ended = {}, 0, False
        threading.Thread(target=self.read, daemon=True).start()

    def ask(self, request):
        waiting = [threading.Event(), None]
        with self.lock:
            if self.ended:
                raise Refused("gone", "The agent of the commands has ended.")
            self.last += 1
            number = self.last
            self.pending[number] = waiting
        try:
            line = json.dumps({**request, "id": number}).encode() + b"\n"
            if len(line) > REQUEST_MAX:
                raise Refused("large", "The command, its environment variables and its input are too large: together they may have %d bytes." % REQUEST_MAX)
            try:
                with self.sending:
                    self.sock.sendall(line)
            except OSError:
                raise Refused("gone", "The agent of the commands has ended.") from None
            if not waiting[0].wait(ANSWER_PATIENCE):
                raise Refused("silent", "The agent of the commands does not answer.")
        finally:
            with self.lock:
                self.pending.pop(number, None)
        if waiting[1] is None:
            raise Refused("gone", "The agent of the commands has ended.")
        if not waiting[1].get("ok"):
            raise Refused(waiting[1].get("code") or "failed", str(waiting[1].get("error")))
        return waiting[1]

    def read(self):
        rest = bytearray()
        try:
            while len(rest) <= LINE_MAX:
                data = self.sock.recv(1 << 16)
                if not data:
                    break
                *lines, rest[:] = (bytes(rest) + data).split(b"\n")
                for line in lines:
                    self.take(json.loads(line))
        except (OSError, ValueError):
            pass
        self.sock.close()
        with self.lock:
            self.ended = True
            waiting, self.pending = self.pending, {}
        for one in waiting.values():
            one[0].set()
        self.closed()

    def take(self, message):
        if "event" in message:
            self.heard(message)
            return
        with self.lock:
            waiting = self.pending.get(message.get("id"))
        if waiting is not None:
            waiting[1] = message
            waiting[0].set()


class Commands:
    def __init__(self, bell):
        self.bell = bell
        self.place = None  # name, after how long an agent that nobody needs ends (seconds), its sources
        self.lock = threading.Lock()
        self.link = None
        self.process = None
        self.known = set()
        self.turn = 0

    def operations(self):
        return {"command": self.command, "forget": self.forget, "commands": self.commands, "logs": self.logs, "shutdown": self.shutdown}

    # The agent ----------------------------------------------------------------------------------

    def folder(self):
        name = self.place["name"]
        if not PLACE.match(name):
            raise Refused("invalid", "The name of the place is not one.")
        return os.path.join(tempfile.gettempdir(), "kg-%d-%s" % (os.getuid(), name))

    def connected(self, start=False):
        """The connection to the agent; None when it does not run and is not to be started."""
        with self.lock:
            if self.link is not None and not self.link.ended:
                return self.link
            self.link, self.known = None, set()
            folder = self.folder()
            if not start and not os.path.isdir(folder):
                return None
            self.own(folder)
            sock = self.reach(folder)
            if sock is None:
                if not start:
                    return None
                sock = self.launch(folder)
            self.link = Link(sock, lambda _: self.bell.ring(TOPIC), lambda: self.bell.ring(TOPIC))
            self.known = {command["command"] for command in self.link.ask({"op": "hello"})["commands"]}
            return self.link

    @staticmethod
    def own(folder):
        """Makes the folder, or sees that it is ours: everybody can make folders beside it."""
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
        status = os.lstat(folder)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) != 0o700:
            raise Refused("failed", "The folder " + folder + " belongs to somebody else or is open to others, so no command is run. Remove it.")

    @staticmethod
    def reach(folder):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(os.path.join(folder, "s", "agent"))
            return sock
        except OSError:
            sock.close()
            return None

    def launch(self, folder):
        inner = {name: os.path.join(folder, name) for name in ("a", "s", "logs", "t")}
        try:
            for path in inner.values():
                os.makedirs(path, 0o700, exist_ok=True)
            for name, source in self.place["sources"].items():
                with open(os.path.join(inner["a"], os.path.basename(name)), "w", encoding="utf-8") as file:
                    file.write(source)
            # A session of its own: whoever ends the kernel ends its process group.
            process = self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", os.path.join(inner["a"], "agent.py"), "--launcher", inner["a"],
                 "--sockets", inner["s"], "--logs", inner["logs"], "--tmp", inner["t"],
                 "--idle", str(self.place["idle"])],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", start_new_session=True)
        except OSError as error:
            raise Refused("failed", "The agent of the commands could not be started: " + str(error)) from None
        threading.Thread(target=self.await_end, args=(process,), daemon=True).start()
        until = time.monotonic() + START_PATIENCE
        while time.monotonic() < until:
            sock = self.reach(folder)
            if sock is not None:
                return sock
            if process.poll() is not None:
                raise Refused("failed", "The agent of the commands ended at once: " + getattr(process, "said", "")[-500:])
            time.sleep(0.005)
        process.kill()
        raise Refused("failed", "The agent of the commands did not start.")

    @staticmethod
    def await_end(process):
        # Read to the end: nobody must wait because nobody reads. Of what it says the last is enough.
        process.said = ""
        while True:
            data = process.stderr.read1(4096)
            if not data:
                break
            process.said = (process.said + data.decode("utf-8", "replace"))[-2000:]
        process.wait()

    # Operations ---------------------------------------------------------------------------------

    def command(self, request, _):
        asked = request["request"]
        starts = asked.get("do") == "run"
        link = self.connected(start=starts)
        if link is None:
            raise Refused("unknown", "There is no such command.")
        if starts:
            base = {name: value for name, value in os.environ.items() if not name.startswith("JPY_")}
            asked = {**asked, "env": {**base, **asked["env"]}}
        answer = link.ask({**asked, "op": "command"})
        if starts:
            self.known.add(asked["command"])
        return {"pid": answer.get("pid")}

    def forget(self, request, _):
        """Also of one whose agent is gone, and which only has a log."""
        name = request["command"]
        if not COMMAND.match(name):
            raise Refused("invalid", "The id of a command has 32 hexadecimal digits.")
        link = self.connected()
        if link is not None:
            link.ask({"op": "command", "do": "forget", "command": name})
        else:
            self.tidy(os.path.join(self.folder(), "logs", name))
        self.known.discard(name)

    def commands(self, _request, _):
        return {"known": sorted(self.known if self.connected() is not None else ())}

    def shutdown(self, request, _):
        """Ends the agent with all its commands, and removes what is left of them."""
        link = self.connected()
        if link is not None:
            link.ask({"op": "shutdown", "grace": request["grace"]})
            until = time.monotonic() + request["grace"] + 10
            while not link.ended and time.monotonic() < until:
                time.sleep(0.01)
        self.tidy(self.folder())

    @staticmethod
    def tidy(folder):
        # No link is followed on the way: rmtree sees to that.
        import shutil

        shutil.rmtree(folder, ignore_errors=True)

    # Logs ---------------------------------------------------------------------------------------

    def logs(self, request, _):
        """Removes what the gateway has, and gives it what comes next: [command, segment, offset, bytes, final size]."""
        self.bell.hear(TOPIC)
        alive = self.connected() is not None
        known = self.known if alive else set()
        left, pieces, lost = request["most"], [], []
        asked = sorted(request["at"].items())
        if asked:
            # Another one first each time: none is to wait for the end of one that never stops.
            self.turn = (self.turn + 1) % len(asked)
            asked = asked[self.turn:] + asked[:self.turn]
        for name, (segment, offset) in asked:
            if not COMMAND.match(name):
                continue
            found = self.piece(os.path.join(self.folder(), "logs", name), segment, offset, min(left, max(1, request["most"] // 4)))
            if found is not None:
                pieces.append([name, *found])
                left -= len(found[2])
            elif name not in known:
                lost.append(name)
            if left <= 0:
                break
        return {"pieces": pieces, "lost": lost}

    @staticmethod
    def piece(folder, segment, offset, most):
        try:
            numbers = sorted(int(name[:10]) for name in os.listdir(folder) if SEGMENT.match(name))
        except OSError:
            return None

        def path(number):
            return os.path.join(folder, "%010d.seg" % number)

        for number in [number for number in numbers if number < segment]:
            try:
                os.unlink(path(number))
            except OSError:
                pass
        numbers = [number for number in numbers if number >= segment]
        if not numbers:
            return None
        if numbers[0] > segment:
            segment, offset = numbers[0], 0
        try:
            fd = os.open(path(segment), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            # Whether there is a later one is known before the size is asked: it grows no more then.
            size = os.fstat(fd).st_size
            data = os.pread(fd, max(0, min(most, size - offset)), offset)
        finally:
            os.close(fd)
        final = size if len(numbers) > 1 else None
        if not data and (final is None or offset < final):
            return None
        return [segment, offset, base64.b64encode(data).decode(), final]
