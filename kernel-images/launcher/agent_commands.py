"""The commands of the agent: programs with their input, and output that survives the gateway.

Imported with the first command, so that kernels do not wait for it. That may be after the gateway, and with
it this file, has become a newer one: of modules that an agent has loaded by then, only `descendants` and
`restore_signals` (agent_processes.py) may be used here and in what is imported here.
"""
import base64
import os
import signal
import time

from agent_children import Start
from agent_command import Command
from agent_command_input import INPUT_MAX, Input
from agent_command_output import LeftBehind, Output
from agent_command_start import set_size, start
from agent_requests import Refused, is_seconds, program_in, signal_in

RUNNING_MAX = 64
# Those that have ended stay until the gateway has read their end; with the running ones they are at most so many.
KEPT_MAX = 512
# While a log is full it is looked at this often (seconds).
RETRY = 0.05
SECONDS_MAX = 1e9
# As agents call it that were started before they could be told a word for programs in any refusal.
CommandRefused = Refused


class Commands:
    """All commands of the agent."""

    def __init__(self, agent):
        self.selector, self.peers, self.logs = agent.selector, agent.peers, agent.logs
        self.all = {}
        self.left_behind = LeftBehind(agent.selector)
        self.held_at = None  # since when time limits stand still

    def describe(self):
        return [{"command": c.name, "running": c.status is None, "said_all": c.output.said_all} for c in self.all.values()]

    def running_count(self):
        return sum(command.status is None for command in self.all.values())

    # Operations -----------------------------------------------------------------------------

    def run(self, connection, number, request):
        name = request.get("command")
        if name in self.all:
            raise Refused("The command " + name + " has been started before.", "known")
        if self.running_count() >= RUNNING_MAX:
            raise Refused("Too many commands are running.", "many")
        if len(self.all) >= KEPT_MAX:
            raise Refused("Too many commands have ended and were not forgotten.", "many")
        argv, env, cwd = program_in(request, "invalid")
        if request.get("shell"):
            argv = ["/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh", "-c", *argv]
        data, size = decode(request.get("input", "")), request.get("terminal")
        timeout, grace = request.get("timeout") or 0, request.get("grace") or 0
        if not is_seconds(timeout, SECONDS_MAX) or not is_seconds(grace, SECONDS_MAX):
            raise Refused("timeout and grace must be numbers of seconds.", "invalid")

        command = self.begin(name, Input(self.selector, data, not request.get("keep_input")), grace)
        try:
            started = start(argv, env, cwd, size, command.input.is_needed())
        except (OSError, ValueError, TypeError) as error:
            command.output.remove()
            raise Refused("The command could not be started: " + str(error), "failed") from None
        command.pid, command.terminal = started.pid, size is not None
        if timeout:
            command.deadline = command.started + timeout
        self.all[name] = command
        command.start = Start(self.selector, started.outcome, lambda failure: self.settle(command, connection, number, failure))
        command.output.open(started.streams)
        command.input.open(started.given, command.terminal)

    def begin(self, name, given, grace):
        folder = os.path.join(self.logs, name)
        try:
            os.mkdir(folder, 0o700)
        except OSError as error:
            raise Refused("The log could not be made: " + os.strerror(error.errno), "failed") from None
        try:
            return Command(name, given, Output(self.selector, self.left_behind, folder, lambda: self.tell(name)), grace)
        except (OSError, ValueError) as error:
            # No descriptor is free, or somebody of the sandbox was in the folder at once.
            try:
                os.rmdir(folder)
            except OSError:
                pass
            raise Refused("The log could not be made: " + str(error), "failed") from None

    def write(self, request):
        command, data = self.running(request), decode(request.get("input", ""))
        if not command.input.takes_more():
            raise Refused("The command's standard input is closed.", "closed")
        waiting = command.input.waiting()
        if waiting + len(data) > INPUT_MAX:
            raise Refused("The command has not read %d bytes of its input yet; at most %d may wait." % (waiting, INPUT_MAX), "full")
        if not request.get("close"):
            command.input.add(data)
        elif command.terminal:
            command.input.add(data + b"\x04")
        else:
            command.input.add(data)
            command.input.end()

    def signal(self, request):
        command, number = self.running(request), signal_in(request, "invalid")
        if request.get("all"):
            command.strike(number)
            return
        try:
            os.killpg(command.pid, number)
        except OSError as error:
            raise Refused("The signal could not be sent: " + os.strerror(error.errno), "failed") from None

    def resize(self, request):
        command = self.running(request)
        if not command.terminal:
            raise Refused("The command has no terminal.", "closed")
        fd = command.output.terminal()
        try:
            set_size(command.input.fd if fd is None else fd, request.get("size"))
        except (OSError, ValueError, TypeError) as error:
            raise Refused("The size could not be set: " + str(error), "invalid") from None

    def forget(self, request):
        """The gateway has all of it. One that still runs is of no use to anybody."""
        command = self.all.get(request.get("command"))
        if command is None:
            return
        if command.status is None:
            command.unwanted = True
            command.strike(signal.SIGKILL)
        else:
            self.drop(command)

    def hold(self, on):
        """While the place is paused, no time limit runs: what was left of each is left after it."""
        now = time.monotonic()
        if on:
            self.held_at = now if self.held_at is None else self.held_at
        elif self.held_at is not None:
            since, self.held_at = self.held_at, None
            for command in self.all.values():
                command.postpone(since, now)

    def running(self, request):
        command = self.all.get(request.get("command"))
        if command is None:
            raise Refused("There is no such command.", "unknown")
        if command.status is not None:
            raise Refused("The command has ended.", "ended")
        return command

    # Their life -------------------------------------------------------------------------------

    def settle(self, command, connection, number, failure):
        """The child has become the program, or has said why it could not."""
        if failure:
            code, _, message = failure.partition(":")
            command.unwanted = True
            self.peers.send(connection, {"id": number, "ok": False, "code": code, "error": message})
        else:
            self.peers.send(connection, {"id": number, "ok": True, "pid": command.pid})

    def tell(self, name):
        """There is something new in its log; with "said_all" nothing more will ever come."""
        command = self.all.get(name)
        if command is not None:
            self.peers.send_to_all({"event": "output", "command": name, "said_all": command.output.said_all})

    def ended(self, pid, status):
        """True when this was a command."""
        for command in self.all.values():
            if command.pid == pid and command.status is None:
                command.status, command.lasted = status, time.monotonic() - command.started
                command.start.look()
                if command.timed_out:
                    command.strike(signal.SIGKILL)
                self.conclude(command)
                return True
        return False

    def conclude(self, command):
        """After its process has ended: the rest of its output, and then how it ended."""
        output = command.output
        if command.unwanted:
            self.drop(command)
        elif output.is_lost():
            command.input.close()
            output.give_up(command.terminal)
        elif output.read_rest() and not output.said_all:
            command.input.close()
            output.end(command.end(), command.terminal)

    def drop(self, command):
        command.input.close()
        command.output.leave(command.terminal)
        command.output.remove()
        self.all.pop(command.name, None)

    def tend(self):
        """What is due by the clock; says when to come again (seconds), or None."""
        now, due = time.monotonic(), []
        for command in list(self.all.values()):
            if command.output.waits:
                command.output.drain()
                if command.status is not None and not command.output.said_all:
                    self.conclude(command)
                if command.output.waits:
                    due.append(now + RETRY)
            if command.status is None and self.held_at is None:
                due += command.look_at_clock(now)
        return max(0.0, min(due) - time.monotonic()) if due else None


def decode(text):
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise Refused("input must be base64.", "invalid") from None
