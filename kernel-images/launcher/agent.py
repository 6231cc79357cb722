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

from agent_ending import SWEEP_INTERVAL, Ending  # noqa: E402
from agent_forwarder import Forwarder, route_in  # noqa: E402
from agent_kernels import Kernels  # noqa: E402
from agent_peers import Peers  # noqa: E402
from agent_processes import become_subreaper, own_descriptors  # noqa: E402
from agent_requests import Refused, is_seconds, name_in  # noqa: E402

PROTOCOL = 1
DEFAULT_GRACE = 5.0
GRACE_MAX = 3600.0
# It looks at the clock at least this often (seconds): the system refuses to wait for weeks.
WAIT_MAX = 3600.0
COMMAND_ACTS = ("write", "signal", "resize", "forget")


class Agent:
    def __init__(self, launcher, sockets, logs, tmp):
        self.sockets, self.logs = sockets, logs
        self.selector = selectors.DefaultSelector()
        self.peers = Peers(self.selector, self.answer)
        self.kernels = Kernels(self.selector, self.peers, launcher, logs, tmp)
        self.forwarder = Forwarder()
        self.commands = None
        self.ending = Ending()
        self.told_to_end = False
        # How long it stays when nothing runs and nobody is connected (seconds); 0: for ever.
        self.idle = 0.0
        self.idle_since = None
        self.operations = {
            "hello": self.hello,
            "launch": self.launch,
            "signal": self.kernels.signal,
            "terminate_children": self.kernels.terminate_children,
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
        signal.signal(signal.SIGTERM, self.tell_to_end)
        # Sent to a whole terminal when somebody stops a gateway by hand; kernels outlive that.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.selector.register(reader, selectors.EVENT_READ, lambda _: self.drain_wakeups(reader))

        self.peers.open(os.path.join(self.sockets, "agent"))

    def tell_to_end(self, _number, _frame):
        # Between any two steps of the rest: no more than this, the loop sees to it.
        self.told_to_end = True

    def run(self):
        while True:
            if self.told_to_end:
                self.told_to_end = False
                self.begin_shutdown(DEFAULT_GRACE)
            waits = [WAIT_MAX, self.peers.tend(), self.commands.tend() if self.commands is not None else None]
            if self.idle and not self.ending.begun:
                left = self.idle_left()
                if left == 0.0:
                    self.begin_shutdown(0)
                waits.append(left)
            if self.ending.begun:
                if self.ending.sweep(self.reap, self.kernels.running_pids):
                    return
                waits.append(SWEEP_INTERVAL)
            for key, events in self.selector.select(min(wait for wait in waits if wait is not None)):
                # An earlier handler of this round may have closed it.
                if self.selector.get_map().get(key.fd) is key:
                    key.data(events)

    def idle_left(self):
        """For how long it stays (seconds) when nobody comes; None while it is needed."""
        if self.peers.connections or self.kernels.running_pids() or (self.commands is not None and self.commands.running_count()):
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

    def reap(self):
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
            self.kernels.ended(pid, status)

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
            reply = refusal.answer()
        except Exception as error:
            # Whatever somebody has thought of: the kernels of all others must outlive it.
            reply = {"ok": False, "code": "failed", "error": "The request could not be done: " + type(error).__name__ + "."}
        if reply is not None:
            self.peers.send(connection, {"id": number, **reply})

    def hello(self, _connection, _number, _request):
        return {
            "ok": True,
            "protocol": PROTOCOL,
            "pid": os.getpid(),
            "kernels": self.kernels.describe(),
            "commands": self.commands.describe() if self.commands is not None else [],
            "held": self.commands is not None and self.commands.held_at is not None,
        }

    def hold(self, _connection, _number, request):
        """Stops the clocks of all commands before the whole place is frozen, or lets them go on."""
        if self.commands is not None:
            self.commands.hold(bool(request.get("on")))
        return {"ok": True}

    def launch(self, connection, number, request):
        if self.ending.begun:
            raise Refused("The agent is shutting down.")
        return self.kernels.launch(connection, number, request)

    def shutdown(self, _connection, _number, request):
        grace = request.get("grace", DEFAULT_GRACE)
        if not is_seconds(grace, GRACE_MAX):
            raise Refused("grace must be a number of seconds from 0 to 3600.")
        self.begin_shutdown(grace)
        return {"ok": True}

    def begin_shutdown(self, grace):
        self.forwarder.close()
        self.ending.begin(grace)

    def forward(self, _connection, _number, request):
        path, ports = route_in(request)
        try:
            self.forwarder.open(path, ports)
        except OSError as error:
            raise Refused("The ports could not be opened: " + str(error)) from None
        return {"ok": True}

    def command(self, connection, number, request):
        name, act = name_in(request, "command"), request.get("do")
        if self.commands is None:
            # Most sandboxes have none, and kernels do not wait for it.
            from agent_commands import Commands

            self.commands = Commands(self)
        if act == "run":
            if self.ending.begun or name in self.kernels.all:
                raise Refused("The agent is shutting down, or a kernel has this name.")
            return self.commands.run(connection, number, request)
        if act not in COMMAND_ACTS:
            raise Refused("do must be run, write, signal, resize or forget.")
        getattr(self.commands, act)(request)
        return {"ok": True}


def main(argv):
    options = {"--launcher": None, "--sockets": None, "--logs": None, "--tmp": None, "--idle": "0"}
    rest = list(argv)
    while len(rest) >= 2 and rest[0] in options:
        options[rest[0]] = rest[1]
        del rest[:2]
    if rest or None in options.values():
        sys.stderr.write("usage: agent.py --launcher DIR --sockets DIR --logs DIR --tmp DIR [--idle SECONDS]\n")
        return 2
    own_descriptors()
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
