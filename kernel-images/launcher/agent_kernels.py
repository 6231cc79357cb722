"""The kernels of the agent, each from its launch until it is forgotten."""
import json
import os
import selectors
import signal

from agent_children import Start, close_all, fork, pair, reason_of, say_to, strike
from agent_processes import descendants
from agent_requests import Refused, name_in, program_in, signal_in

RUNNING_MAX = 64
ENDED_MAX = 32
READ_SIZE = 1 << 16
RING_MAX = 1 << 16
TAIL_MAX = 4 << 10


class Kernel:
    """One kernel process."""

    def __init__(self, name, connection_file):
        self.name = name
        self.connection_file = connection_file
        self.pid = None
        self.start = None
        self.output = None  # reads its raw stdout and stderr
        self.launched = False
        self.ended = False
        self.code = None
        self.signal = None
        self.ring = bytearray()

    def write_connection_file(self, connection):
        # First as text: what cannot be written at all must not leave half of it.
        text = json.dumps(connection)
        try:
            os.unlink(self.connection_file)
        except FileNotFoundError:
            pass
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(self.connection_file, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(text)

    def forget_files(self):
        try:
            os.unlink(self.connection_file)
        except OSError:
            pass

    def remember_output(self, data):
        if self.ended:
            return
        self.ring += data
        if len(self.ring) > RING_MAX:
            del self.ring[: len(self.ring) - RING_MAX]

    def end(self, status):
        self.ended = True
        if os.WIFSIGNALED(status):
            self.signal = os.WTERMSIG(status)
        else:
            self.code = os.WEXITSTATUS(status)
        del self.ring[:-TAIL_MAX]

    def tail(self):
        # The cut may have gone through a character.
        return bytes(self.ring[-TAIL_MAX:]).decode("utf-8", "replace").lstrip("\ufffd")

    def outcome_fields(self):
        return {"code": self.code, "signal": self.signal, "stderr": self.tail()}

    def describe(self):
        fields = {"kernel": self.name, "pid": self.pid, "running": not self.ended}
        return {**fields, **self.outcome_fields()} if self.ended else fields


class Kernels:
    """All kernels of the agent: the running ones, and the last that have ended."""

    def __init__(self, selector, peers, launcher, logs, tmp):
        self.selector, self.peers = selector, peers
        self.launcher, self.logs, self.tmp = launcher, logs, tmp
        self.all = {}

    def describe(self):
        return [kernel.describe() for kernel in self.all.values() if kernel.launched]

    def running_pids(self):
        return {kernel.pid for kernel in self.all.values() if not kernel.ended}

    # Operations -----------------------------------------------------------------------------

    def launch(self, connection, number, request):
        name = name_in(request, "kernel")
        if name in self.all:
            raise Refused("The kernel " + name + " has been launched before.")
        if len(self.running_pids()) >= RUNNING_MAX:
            raise Refused("Too many kernels are running.")
        argv, env, cwd = program_in(request)
        if not isinstance(request.get("connection"), dict):
            raise Refused("connection must be the content of a connection file.")

        kernel = Kernel(name, os.path.join(self.tmp, name + ".json"))
        log = os.path.join(self.logs, name)
        try:
            os.makedirs(log, 0o700, exist_ok=True)
            kernel.write_connection_file(request["connection"])
            argv = [
                item.replace("{connection_file}", kernel.connection_file).replace("{launcher}", self.launcher)
                for item in argv
            ]
            outcome = spawn(kernel, argv, {"KG_LOG_DIR": log, **env}, cwd)
        except (OSError, ValueError, RecursionError) as error:
            kernel.forget_files()
            raise Refused("The kernel could not be started: " + str(error)) from None

        self.all[name] = kernel
        kernel.start = Start(self.selector, outcome, lambda failure: self.settle(kernel, connection, number, failure))
        self.selector.register(kernel.output, selectors.EVENT_READ, lambda _: self.drain_output(kernel))
        return None

    def running(self, name):
        kernel = self.all.get(name) if isinstance(name, str) else None
        if kernel is None:
            raise Refused("There is no such kernel.")
        if kernel.ended:
            raise Refused("The kernel " + name + " has ended.")
        return kernel

    def signal(self, _connection, _number, request):
        kernel, number = self.running(request.get("kernel")), signal_in(request)
        try:
            (os.killpg if request.get("group") else os.kill)(kernel.pid, number)
        except OSError as error:
            raise Refused("The signal could not be sent: " + str(error)) from None
        return {"ok": True}

    def terminate_children(self, _connection, _number, request):
        kernel = self.running(request.get("kernel"))
        # What has left the kernel's session and lost its parent is nobody's child any more; the sandbox's end takes it.
        strike(descendants(kernel.pid, {kernel.pid}), signal.SIGTERM)
        return {"ok": True}

    # Their life -----------------------------------------------------------------------------

    def settle(self, kernel, connection, number, failure):
        """The child has become the kernel, or has said why it could not."""
        if failure:
            self.forget(kernel)
            self.peers.send(connection, {"id": number, "ok": False, "error": failure})
        else:
            kernel.launched = True
            self.peers.send(connection, {"id": number, "ok": True, "pid": kernel.pid})

    def drain_output(self, kernel, rounds=1):
        """Empties the kernel's raw stdout and stderr, so that it never blocks on them."""
        for _ in range(rounds):
            if kernel.output is None:
                return
            try:
                data = os.read(kernel.output, READ_SIZE)
            except BlockingIOError:
                return
            if data:
                kernel.remember_output(data)
            else:
                self.close_output(kernel)

    def close_output(self, kernel):
        if kernel.output is not None:
            self.selector.unregister(kernel.output)
            os.close(kernel.output)
            kernel.output = None

    def ended(self, pid, status):
        """True when this was a kernel."""
        for kernel in self.all.values():
            if kernel.pid == pid and not kernel.ended:
                self.end(kernel, status)
                return True
        return False

    def end(self, kernel, status):
        # Its last words, as much as a pipe holds; what its children go on writing is read as it comes.
        self.drain_output(kernel, rounds=2)
        kernel.end(status)
        kernel.start.look()
        if not kernel.launched:
            self.forget(kernel)
            return
        kernel.forget_files()
        event = {"event": "exit", "kernel": kernel.name, **kernel.outcome_fields()}
        self.peers.send_to_all(event)
        # The dictionary keeps its order: the ended stand at its end, the oldest first.
        self.all[kernel.name] = self.all.pop(kernel.name)
        ended = [other for other in self.all.values() if other.ended]
        for other in ended[:-ENDED_MAX]:
            self.forget(other)

    def forget(self, kernel):
        self.close_output(kernel)
        kernel.forget_files()
        if self.all.get(kernel.name) is kernel:
            del self.all[kernel.name]


def spawn(kernel, argv, env, cwd):
    opened = []
    try:
        kernel.output, write = pair(opened)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        opened.append(null)
        os.set_blocking(kernel.output, False)
        kernel.pid, outcome = fork(argv, env, cwd, (null, write, write), report)
    except BaseException:
        close_all(opened)
        kernel.output = None
        raise
    os.close(write)
    os.close(null)
    return outcome


def report(say, step, error):
    """In a child that could not become a kernel."""
    say_to(say, "The kernel could not " + step + ": " + reason_of(error) + ".")
    return 127
