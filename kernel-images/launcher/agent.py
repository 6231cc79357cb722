"""The agent of a sandbox: starts kernels, passes signals on and says at once how a kernel ended.

One thread, one selector, standard library only: it is on the way to the first result of every
sandbox, so it imports nothing it can do without. Newline-delimited JSON over a unix socket:

  {"id":1,"op":"hello"}
  {"id":2,"op":"launch","kernel":"k2","argv":[...],"env":{...},"cwd":"/workspace","connection":{...}}
  {"id":3,"op":"signal","kernel":"k2","signal":2,"group":true}
  {"id":4,"op":"terminate_children","kernel":"k2"}
  {"id":5,"op":"shutdown","grace":5.0}
  {"id":6,"op":"forward","socket":"/run/kg/net/proxy","ports":[3128,1080]}
  {"id":7,"op":"hold","on":true}
  {"id":8,"op":"command","do":"run","command":"c1","argv":["ls"],"shell":true,"env":{...},"cwd":"/workspace",...}

Answers carry the id and "ok"; every connection also gets {"event":"exit",...} when a kernel ends, and
{"event":"output",...} when there is something new in the log of a command (agent_commands.py).
The peers are processes of the sandbox or its gateway; nobody is trusted with more than his own line.
"""
import json
import os
import selectors
import signal
import sys
import time

# Python's isolated mode leaves the script's own folder out.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from agent_forwarder import Forwarder  # noqa: E402
from agent_peers import Peers  # noqa: E402
from agent_processes import Kernel, become_subreaper, descendants, spawn  # noqa: E402

PROTOCOL = 1
RUNNING_MAX = 64
ENDED_MAX = 32
READ_SIZE = 1 << 16
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
DEFAULT_GRACE = 5.0
GRACE_MAX = 3600.0
# While it shuts down the agent looks for what is left this often (seconds).
SWEEP_INTERVAL = 0.05
# How long processes may take to vanish after SIGKILL before the agent goes without them.
KILL_PATIENCE = 5.0


class Refused(Exception):
    """A request that is answered with ok:false and this sentence."""


class Agent:
    def __init__(self, launcher, sockets, logs, tmp):
        self.launcher, self.sockets, self.logs, self.tmp = launcher, sockets, logs, tmp
        self.selector = selectors.DefaultSelector()
        self.kernels = {}
        self.peers = Peers(self.selector, self.answer)
        self.forwarder = Forwarder()
        self.commands = None
        self.deadline = None
        # How long it stays when nothing runs and nobody is connected (seconds); 0: for ever.
        self.idle = 0.0
        self.idle_since = None
        self.terminated = set()
        self.operations = {
            "hello": self.hello,
            "launch": self.launch,
            "signal": self.signal,
            "terminate_children": self.terminate_children,
            "shutdown": self.shutdown,
            "forward": self.forward,
            "hold": self.hold,
            "command": self.command,
        }

    # The loop -------------------------------------------------------------------------------

    def open(self):
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self.begin_shutdown(DEFAULT_GRACE))
        # Sent to a whole terminal when somebody stops a gateway by hand; kernels outlive that.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.selector.register(reader, selectors.EVENT_READ, lambda _: self.drain_wakeups(reader))

        self.peers.open(os.path.join(self.sockets, "agent"))

    def run(self):
        while True:
            timeout = self.commands.tend() if self.commands is not None else None
            if self.idle and self.deadline is None:
                left = self.idle_left()
                if left == 0.0:
                    self.begin_shutdown(0)
                elif left is not None:
                    timeout = left if timeout is None else min(timeout, left)
            if self.deadline is not None:
                if self.sweep():
                    return
                timeout = SWEEP_INTERVAL if timeout is None else min(timeout, SWEEP_INTERVAL)
            for key, events in self.selector.select(timeout):
                # An earlier handler of this round may have closed it.
                if self.selector.get_map().get(key.fd) is key:
                    key.data(events)

    def idle_left(self):
        """For how long it stays (seconds) when nobody comes; None while it is needed."""
        running = any(not kernel.ended for kernel in self.kernels.values())
        if self.peers.connections or running or (self.commands is not None and self.commands.running_count()):
            self.idle_since = None
            return None
        now = time.monotonic()
        if self.idle_since is None:
            self.idle_since = now
        return max(0.0, self.idle_since + self.idle - now)

    def drain_wakeups(self, reader):
        try:
            while os.read(reader, 512):
                pass
        except BlockingIOError:
            pass
        self.reap()

    # Operations -----------------------------------------------------------------------------

    def answer(self, connection, line):
        if not line.strip():
            return
        number = None
        try:
            try:
                request = json.loads(line)
            except (ValueError, RecursionError):
                raise Refused("The line is not JSON.") from None
            if not isinstance(request, dict):
                raise Refused("The line is not a JSON object.")
            number = request.get("id")
            if number is not None and not isinstance(number, (int, str)):
                number = None
                raise Refused("id must be a number or a string.")
            operation = request.get("op")
            handler = self.operations.get(operation) if isinstance(operation, str) else None
            if handler is None:
                raise Refused("op must be " + ", ".join(self.operations) + ".")
            reply = handler(connection, number, request)
        except Refused as refusal:
            reply = {"ok": False, "error": str(refusal)}
        if reply is not None:
            self.peers.send(connection, {"id": number, **reply})

    def hello(self, _connection, _number, _request):
        return {
            "ok": True,
            "protocol": PROTOCOL,
            "pid": os.getpid(),
            "kernels": [kernel.describe() for kernel in self.kernels.values() if kernel.launched],
            "commands": self.commands.describe() if self.commands is not None else [],
            "held": self.commands is not None and self.commands.held_at is not None,
        }

    def hold(self, _connection, _number, request):
        """Stops the clocks of all commands before the whole place is frozen, or lets them go on."""
        if self.commands is not None:
            self.commands.hold(bool(request.get("on")))
        return {"ok": True}

    def launch(self, connection, number, request):
        name = self.name_in(request, "kernel")
        if self.deadline is not None:
            raise Refused("The agent is shutting down.")
        if name in self.kernels:
            raise Refused("The kernel " + name + " has been launched before.")
        if sum(not kernel.ended for kernel in self.kernels.values()) >= RUNNING_MAX:
            raise Refused("Too many kernels are running.")
        argv, env, cwd = request.get("argv"), request.get("env", {}), request.get("cwd", "/")
        if not isinstance(argv, list) or not argv or not all(isinstance(item, str) for item in argv):
            raise Refused("argv must be a list of strings, not empty.")
        if not isinstance(env, dict) or not all(isinstance(item, str) for item in env.values()):
            raise Refused("env must be an object of strings.")
        if not isinstance(cwd, str):
            raise Refused("cwd must be a string.")
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
            spawn(kernel, argv, {"KG_LOG_DIR": log, **env}, cwd)
        except (OSError, ValueError) as error:
            kernel.forget_files()
            raise Refused("The kernel could not be started: " + str(error)) from None

        self.kernels[name] = kernel
        self.selector.register(kernel.outcome, selectors.EVENT_READ, lambda _: self.settle(kernel))
        self.selector.register(kernel.output, selectors.EVENT_READ, lambda _: self.drain_output(kernel))
        kernel.asked_by = (connection, number)
        return None

    @staticmethod
    def name_in(request, field):
        name = request.get(field)
        if not isinstance(name, str) or not 1 <= len(name) <= 64 or not NAME_CHARACTERS.issuperset(name):
            raise Refused(field + " must be 1 to 64 letters, digits, '-' or '_'.")
        return name

    def running_kernel(self, name):
        kernel = self.kernels.get(name) if isinstance(name, str) else None
        if kernel is None:
            raise Refused("There is no such kernel.")
        if kernel.ended:
            raise Refused("The kernel " + name + " has ended.")
        return kernel

    def signal(self, _connection, _number, request):
        kernel, number = self.running_kernel(request.get("kernel")), request.get("signal")
        if not isinstance(number, int) or not 1 <= number <= 64:
            raise Refused("signal must be a number from 1 to 64.")
        try:
            (os.killpg if request.get("group") else os.kill)(kernel.pid, number)
        except OSError as error:
            raise Refused("The signal could not be sent: " + str(error)) from None
        return {"ok": True}

    def terminate_children(self, _connection, _number, request):
        kernel = self.running_kernel(request.get("kernel"))
        # What has left the kernel's session and lost its parent is nobody's child any more; the sandbox's end takes it.
        self.strike(descendants(kernel.pid, {kernel.pid}), signal.SIGTERM)
        return {"ok": True}

    def shutdown(self, _connection, _number, request):
        grace = request.get("grace", DEFAULT_GRACE)
        if not isinstance(grace, (int, float)) or not 0 <= grace <= GRACE_MAX:
            raise Refused("grace must be a number of seconds from 0 to 3600.")
        self.begin_shutdown(grace)
        return {"ok": True}

    def forward(self, _connection, _number, request):
        path, ports = request.get("socket"), request.get("ports")
        if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
            raise Refused("socket must be an absolute path.")
        if not isinstance(ports, list) or not all(isinstance(port, int) and 1024 <= port <= 65535 for port in ports) or len(ports) > 8:
            raise Refused("ports must be a list of at most 8 numbers from 1024 to 65535.")
        try:
            self.forwarder.open(path, ports)
        except OSError as error:
            raise Refused("The ports could not be opened: " + str(error)) from None
        return {"ok": True}

    def command(self, connection, number, request):
        name, act = self.name_in(request, "command"), request.get("do")
        if self.commands is None:
            from agent_commands import Commands

            self.commands = Commands(self)
        from agent_commands import CommandRefused

        try:
            if act == "run":
                if self.deadline is not None or name in self.kernels:
                    raise Refused("The agent is shutting down, or a kernel has this name.")
                return self.commands.run(connection, number, request)
            if act not in ("write", "signal", "resize", "forget"):
                raise Refused("do must be run, write, signal, resize or forget.")
            getattr(self.commands, act)(request)
            return {"ok": True}
        except CommandRefused as refusal:
            return {"ok": False, "code": refusal.code, "error": str(refusal)}

    # Kernels --------------------------------------------------------------------------------

    def settle(self, kernel):
        """The child has become the kernel, or has said why it could not."""
        if kernel.launched or kernel.outcome is None:
            return
        try:
            failure = os.read(kernel.outcome, 4096)
        except BlockingIOError:
            return
        self.selector.unregister(kernel.outcome)
        os.close(kernel.outcome)
        kernel.outcome = None
        connection, number = kernel.asked_by
        kernel.asked_by = None
        if failure:
            self.forget(kernel)
            self.peers.send(connection, {"id": number, "ok": False, "error": failure.decode("utf-8", "replace")})
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

    def reap(self):
        by_pid = {kernel.pid: kernel for kernel in self.kernels.values() if not kernel.ended}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.forwarder.ended(pid) or (self.commands is not None and self.commands.ended(pid, status)):
                continue
            # Others are orphans that fell to the agent; waiting for them is all they need.
            kernel = by_pid.get(pid)
            if kernel is not None:
                self.end(kernel, status)

    def end(self, kernel, status):
        # Its last words, as much as a pipe holds; what its children go on writing is read as it comes.
        self.drain_output(kernel, rounds=2)
        kernel.end(status)
        self.settle(kernel)
        if not kernel.launched:
            self.forget(kernel)
            return
        kernel.forget_files()
        event = {"event": "exit", "kernel": kernel.name, **kernel.outcome_fields()}
        self.peers.send_to_all(event)
        # The dictionary keeps its order: the ended stand at its end, the oldest first.
        self.kernels[kernel.name] = self.kernels.pop(kernel.name)
        ended = [other for other in self.kernels.values() if other.ended]
        for other in ended[:-ENDED_MAX]:
            self.forget(other)

    def forget(self, kernel):
        self.close_output(kernel)
        kernel.forget_files()
        self.kernels.pop(kernel.name, None)

    # The end --------------------------------------------------------------------------------

    def begin_shutdown(self, grace):
        self.forwarder.close()
        deadline = time.monotonic() + grace
        if self.deadline is None:
            self.deadline = deadline
        else:
            self.deadline = min(self.deadline, deadline)

    def sweep(self):
        """Ends what is left of the kernels; true when nothing is, or when nothing more can be done."""
        for _ in range(2):
            # Twice, for one look can miss a child whose parent ends meanwhile.
            self.reap()
            sessions = {kernel.pid for kernel in self.kernels.values() if not kernel.ended}
            left = descendants(os.getpid(), sessions)
            if left or sessions:
                break
        else:
            self.reap()
            return True
        now = time.monotonic()
        if now > self.deadline + KILL_PATIENCE:
            return True
        if now >= self.deadline:
            self.strike(left | sessions, signal.SIGKILL)
        else:
            # Once each: a second SIGTERM can mean "at once" to a program that is tidying up.
            self.strike((left | sessions) - self.terminated, signal.SIGTERM)
            self.terminated |= left | sessions
        return False

    @staticmethod
    def strike(pids, number):
        for pid in pids:
            try:
                os.kill(pid, number)
            except OSError:
                pass


def main(argv):
    options = {"--launcher": None, "--sockets": None, "--logs": None, "--tmp": None, "--idle": "0"}
    rest = list(argv)
    while len(rest) >= 2 and rest[0] in options:
        options[rest[0]] = rest[1]
        del rest[:2]
    if rest or None in options.values():
        sys.stderr.write("usage: agent.py --launcher DIR --sockets DIR --logs DIR --tmp DIR [--idle SECONDS]\n")
        return 2
    # Whatever the one who started us left open is not for kernels.
    os.closerange(3, 1024)
    os.umask(0o077)
    agent = Agent(options["--launcher"], options["--sockets"], options["--logs"], options["--tmp"])
    agent.idle = float(options["--idle"])
    try:
        agent.open()
    except OSError as error:
        reason = "the path is too long for a unix socket" if error.errno is None else os.strerror(error.errno)
        sys.stderr.write("agent.py: cannot listen in %s: %s\n" % (options["--sockets"], reason))
        return 1
    # Before the first kernel, and while the gateway is connecting.
    become_subreaper()
    agent.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
