"""The commands of the agent: programs with their input, and output that survives the gateway.

Imported with the first command, so that kernels do not wait for it. What a command writes goes into a
log of its own (kernel_log.py) before anybody is told; its last record says how it ended. When too much
is unread there, the command's pipes are not read: it waits, and nothing here grows.
"""
import base64
import json
import os
import selectors
import signal
import time

from agent_processes import descendants, restore_signals
from kernel_log import COMMAND_END, COMMAND_OUTPUT, KernelLog

RUNNING_MAX = 64
INPUT_MAX = 1 << 20
READ_SIZE = 1 << 16
SEGMENT_MAX, LOG_MAX = 1 << 20, 4 << 20
# While a log is full it is looked at this often (seconds).
RETRY = 0.05
# What is read of a stream when the command has ended, pieces: as much as the largest pipe holds.
LAST_PIECES = 16
# Streams that outlive their command, in the hands of what it left in the background, are emptied for so many at most.
LEFT_BEHIND_MAX = 64


class CommandRefused(Exception):
    """What cannot be done, with a word for programs."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Stream:
    """One output of a command: where it is read, and the bytes of a character that is not whole yet."""

    def __init__(self, name, fd):
        self.name, self.fd, self.rest = name, fd, b""

    def take(self, data):
        data = self.rest + data
        cut = len(data) - unfinished(data)
        self.rest = data[cut:]
        return data[:cut]


def unfinished(data):
    """How many bytes at the end begin a UTF-8 character whose other bytes are not there yet."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            need = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4 if byte < 0xF5 else 0
            return back if need > back else 0
        if byte < 0x80:
            return 0
    return 0


class Command:
    """One command from its start until the gateway has read its end."""

    def __init__(self, name, log_folder):
        self.name, self.log_folder = name, log_folder
        self.log = KernelLog(log_folder, SEGMENT_MAX, LOG_MAX, shared=False)
        self.pid = self.outcome = self.asked_by = None
        self.streams = []
        self.input = None
        self.input_registered = False
        self.unwritten = bytearray()
        self.close_input = False
        self.terminal = False
        self.waiting = []  # records that the log has no room for
        self.status = None  # of waitpid
        self.started = time.monotonic()
        self.lasted = None
        self.deadline = self.kill_at = None
        self.grace = 0.0
        self.timed_out = False
        self.logged_end = False
        self.pieces = 2 * LAST_PIECES
        self.unwanted = False  # to be forgotten as soon as it has ended


class Commands:
    """All commands of the agent."""

    def __init__(self, agent):
        self.selector, self.peers, self.logs = agent.selector, agent.peers, agent.logs
        self.all = {}
        self.left_behind = set()
        self.held_at = None  # since when time limits stand still

    def describe(self):
        return [{"command": c.name, "running": c.status is None, "said_all": c.logged_end and not c.waiting} for c in self.all.values()]

    def running_count(self):
        return sum(command.status is None for command in self.all.values())

    # Operations -----------------------------------------------------------------------------

    def run(self, connection, number, request):
        name, argv, env, cwd = request.get("command"), request.get("argv"), request.get("env"), request.get("cwd")
        if name in self.all:
            raise CommandRefused("known", "The command " + name + " has been started before.")
        if self.running_count() >= RUNNING_MAX:
            raise CommandRefused("many", "Too many commands are running.")
        if not isinstance(argv, list) or not argv or not all(isinstance(item, str) for item in argv):
            raise CommandRefused("invalid", "argv must be a list of strings, not empty.")
        if not isinstance(env, dict) or not all(isinstance(item, str) for item in env.values()):
            raise CommandRefused("invalid", "env must be an object of strings.")
        if not isinstance(cwd, str) or any("\0" in item for item in (cwd, *argv, *env, *env.values())):
            raise CommandRefused("invalid", "cwd must be a string, and no string may hold a NUL character.")
        if request.get("shell"):
            argv = ["/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh", "-c", *argv]
        data, size = decode(request.get("input", "")), request.get("terminal")
        timeout, grace = request.get("timeout") or 0, request.get("grace") or 0
        if not all(isinstance(seconds, (int, float)) and 0 <= seconds < 1e9 for seconds in (timeout, grace)):
            raise CommandRefused("invalid", "timeout and grace must be numbers of seconds.")

        folder = os.path.join(self.logs, name)
        try:
            os.mkdir(folder, 0o700)
            command = Command(name, folder)
        except OSError as error:
            raise CommandRefused("failed", "The log could not be made: " + os.strerror(error.errno)) from None
        try:
            command.close_input = not request.get("keep_input")
            command.unwritten += data
            command.grace = grace
            spawn(command, argv, env, cwd, size)
        except (OSError, ValueError, TypeError) as error:
            self.remove(command)
            raise CommandRefused("failed", "The command could not be started: " + str(error)) from None
        if timeout:
            command.deadline = command.started + timeout
        self.all[name] = command
        command.asked_by = (connection, number)
        self.selector.register(command.outcome, selectors.EVENT_READ, lambda _: self.settle(command))
        for stream in command.streams:
            self.selector.register(stream.fd, selectors.EVENT_READ, lambda _, s=stream: self.read(command, s))
        self.feed(command)

    def write(self, request):
        command, data = self.running(request), decode(request.get("input", ""))
        if command.input is None or command.close_input:
            raise CommandRefused("closed", "The command's standard input is closed.")
        if len(command.unwritten) + len(data) > INPUT_MAX:
            raise CommandRefused("full", "The command has not read %d bytes of its input yet; at most %d may wait." % (len(command.unwritten), INPUT_MAX))
        command.unwritten += data
        if request.get("close"):
            if command.terminal:
                command.unwritten += b"\x04"
            else:
                command.close_input = True
        self.feed(command)

    def signal(self, request):
        command, number = self.running(request), request.get("signal")
        if not isinstance(number, int) or not 1 <= number <= 64:
            raise CommandRefused("invalid", "signal must be a number from 1 to 64.")
        if request.get("all"):
            strike(command, number)
        else:
            try:
                os.killpg(command.pid, number)
            except OSError as error:
                raise CommandRefused("failed", "The signal could not be sent: " + os.strerror(error.errno)) from None

    def resize(self, request):
        command = self.running(request)
        if not command.terminal:
            raise CommandRefused("closed", "The command has no terminal.")
        try:
            set_size(command.streams[0].fd if command.streams else command.input, request.get("size"))
        except (OSError, ValueError, TypeError) as error:
            raise CommandRefused("invalid", "The size could not be set: " + str(error)) from None

    def forget(self, request):
        """The gateway has all of it. One that still runs is of no use to anybody."""
        command = self.all.get(request.get("command"))
        if command is None:
            return
        if command.status is None:
            strike(command, signal.SIGKILL)
            command.unwanted = True
            return
        self.leave(command)
        self.all.pop(command.name, None)
        self.remove(command)

    def hold(self, on):
        """While the place is paused, no time limit runs: what was left of each is left after it."""
        now = time.monotonic()
        if on:
            self.held_at = now if self.held_at is None else self.held_at
        elif self.held_at is not None:
            stood, self.held_at = now - self.held_at, None
            for command in self.all.values():
                command.deadline = None if command.deadline is None else command.deadline + stood
                command.kill_at = None if command.kill_at is None else command.kill_at + stood

    def running(self, request):
        command = self.all.get(request.get("command"))
        if command is None:
            raise CommandRefused("unknown", "There is no such command.")
        if command.status is not None:
            raise CommandRefused("ended", "The command has ended.")
        return command

    # Input and output -------------------------------------------------------------------------

    def settle(self, command):
        """The child has become the program, or has said why it could not."""
        if command.outcome is None:
            return
        try:
            failure = os.read(command.outcome, 4096)
        except BlockingIOError:
            return
        self.selector.unregister(command.outcome)
        os.close(command.outcome)
        command.outcome = None
        connection, number = command.asked_by
        if failure:
            code, _, message = failure.decode("utf-8", "replace").partition(":")
            command.unwanted = True
            self.peers.send(connection, {"id": number, "ok": False, "code": code, "error": message})
        else:
            self.peers.send(connection, {"id": number, "ok": True, "pid": command.pid})

    def feed(self, command):
        """Gives the command as much of its input as it takes."""
        if command.input is None:
            return
        try:
            while command.unwritten:
                written = os.write(command.input, command.unwritten[:READ_SIZE])
                del command.unwritten[:written]
        except BlockingIOError:
            if not command.input_registered:
                command.input_registered = True
                self.selector.register(command.input, selectors.EVENT_WRITE, lambda _: self.feed(command))
            return
        except OSError:
            command.close_input = True
            command.unwritten.clear()
        if command.input_registered:
            command.input_registered = False
            self.selector.unregister(command.input)
        if command.close_input:
            os.close(command.input)
            command.input = None

    def read(self, command, stream):
        """Takes one piece of output; true when there was one."""
        try:
            data = os.read(stream.fd, READ_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""  # A terminal whose last process has closed it.
        if data:
            self.record(command, COMMAND_OUTPUT, stream.name, stream.take(data))
            return True
        self.finish(command, stream)
        return False

    def finish(self, command, stream):
        rest, stream.rest = stream.rest, b""
        if stream in command.streams:
            command.streams.remove(stream)
            try:
                self.selector.unregister(stream.fd)
            except KeyError:
                pass
            os.close(stream.fd)
        self.record(command, COMMAND_OUTPUT, stream.name, rest)

    def record(self, command, kind, name, data):
        if not data:
            return
        command.waiting.append(command.log.prepare(kind, [name, data]))
        self.drain(command)

    def drain(self, command):
        """Writes what waits. While something does, the command's output is not read."""
        before = len(command.waiting)
        while command.waiting and command.log.try_append(command.waiting[0]):
            del command.waiting[0]
        if len(command.waiting) < before:
            self.tell(command)
        listening = self.selector.get_map()
        for stream in command.streams:
            if command.waiting and stream.fd in listening:
                self.selector.unregister(stream.fd)
            elif not command.waiting and stream.fd not in listening:
                self.selector.register(stream.fd, selectors.EVENT_READ, lambda _, s=stream: self.read(command, s))

    def tell(self, command):
        """There is something new in its log; with "said_all" nothing more will ever come."""
        self.peers.send_to_all({"event": "output", "command": command.name, "said_all": command.logged_end and not command.waiting})

    # Ends -------------------------------------------------------------------------------------

    def ended(self, pid, status):
        """True when this was a command."""
        for command in self.all.values():
            if command.pid == pid and command.status is None:
                command.status, command.lasted = status, time.monotonic() - command.started
                self.settle(command)
                if command.timed_out:
                    strike(command, signal.SIGKILL)
                self.conclude(command)
                return True
        return False

    def conclude(self, command):
        """After its process has ended: the rest of its output, and then how it ended."""
        if command.logged_end:
            return
        if command.unwanted:
            self.forget({"command": command.name})
            return
        if command.log.destroyed():
            # By the command itself, or others of the sandbox. Nobody must wait for what nobody can read.
            command.waiting.clear()
            command.logged_end = True
            self.leave(command)
            self.tell(command)
            return
        for stream in list(command.streams):
            while not command.waiting and command.pieces and self.read(command, stream):
                command.pieces -= 1
        if command.waiting:
            return
        for stream in list(command.streams):
            # Nothing there now: who holds it still is not the command any more.
            rest, stream.rest = stream.rest, b""
            if rest:
                command.waiting.append(command.log.prepare(COMMAND_OUTPUT, [stream.name, rest]))
        code = os.WTERMSIG(command.status) if os.WIFSIGNALED(command.status) else None
        end = {"code": None if code else os.WEXITSTATUS(command.status), "signal": code, "timed_out": command.timed_out, "seconds": command.lasted}
        command.waiting.append(command.log.prepare(COMMAND_END, [json.dumps(end).encode()]))
        command.logged_end = True
        self.leave(command)
        self.drain(command)

    def leave(self, command):
        """Lets go of the streams. Others may still write to them, and must not be ended or stopped by that."""
        if command.input is not None:
            command.unwritten.clear()
            if command.input_registered:
                self.selector.unregister(command.input)
            os.close(command.input)
            command.input = None
        for stream in command.streams:
            try:
                self.selector.unregister(stream.fd)
            except KeyError:
                pass
            if command.terminal or len(self.left_behind) >= LEFT_BEHIND_MAX:
                os.close(stream.fd)
            else:
                self.left_behind.add(stream.fd)
                self.selector.register(stream.fd, selectors.EVENT_READ, lambda _, fd=stream.fd: self.discard(fd))
        command.streams = []

    def discard(self, fd):
        try:
            if os.read(fd, READ_SIZE):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.left_behind.discard(fd)
        self.selector.unregister(fd)
        os.close(fd)

    def remove(self, command):
        command.log.close()
        try:
            for name in os.listdir(command.log_folder):
                os.unlink(os.path.join(command.log_folder, name))
            os.rmdir(command.log_folder)
        except OSError:
            pass

    def tend(self):
        """What is due by the clock; says when to come again (seconds), or None."""
        now, due = time.monotonic(), []
        for command in list(self.all.values()):
            if command.waiting:
                self.drain(command)
                if command.waiting and (command.status is None or not command.log.destroyed()):
                    due.append(now + RETRY)
                elif command.status is not None:
                    self.conclude(command)
            if command.status is not None or self.held_at is not None:
                continue
            if command.deadline is not None and now >= command.deadline:
                command.timed_out, command.deadline, command.kill_at = True, None, now + command.grace
                strike(command, signal.SIGTERM)
                strike(command, signal.SIGCONT)
            if command.kill_at is not None and now >= command.kill_at:
                strike(command, signal.SIGKILL)
                command.kill_at = None
            due += [at for at in (command.deadline, command.kill_at) if at is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None


def strike(command, number):
    """Sends a signal to the command, all it has started and all of its session."""
    own = {command.pid} if command.status is None else set()
    for pid in descendants(command.pid, {command.pid}) | own:
        try:
            os.kill(pid, number)
        except OSError:
            pass


def decode(text):
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise CommandRefused("invalid", "input must be base64.") from None


def set_size(fd, size):
    import fcntl
    import struct
    import termios

    if not isinstance(size, list) or len(size) != 2 or not all(isinstance(number, int) and 1 <= number <= 10000 for number in size):
        raise ValueError("it must be columns and rows, each from 1 to 10000")
    columns, rows = size
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def spawn(command, argv, env, cwd, size):
    """Forks the command. The agent has one thread, so a fork in Python is safe and the shortest way."""
    opened = []
    try:
        command.terminal = size is not None
        outcome, say = pair(opened)
        if command.terminal:
            master, slave = os.openpty()
            opened += [master, slave]
            set_size(master, size)
            ends = (slave, slave, slave)
            command.streams = [Stream(b"stdout", master)]
            command.input = os.dup(master)
            opened.append(command.input)
            command.close_input = False
        else:
            output, write = pair(opened)
            errors, write_errors = pair(opened)
            if command.unwritten or not command.close_input:
                read, command.input = pair(opened)
            else:
                read = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
                opened.append(read)
            ends = (read, write, write_errors)
            command.streams = [Stream(b"stdout", output), Stream(b"stderr", errors)]
        pid = os.fork()
    except BaseException:
        for fd in opened:
            os.close(fd)
        command.streams, command.input = [], None
        raise
    if pid == 0:
        become(argv, env, cwd, ends, command.terminal, say)
    os.close(say)
    for fd in set(ends):
        os.close(fd)
    command.pid, command.outcome = pid, outcome
    for fd in (outcome, command.input, *(stream.fd for stream in command.streams)):
        if fd is not None:
            os.set_blocking(fd, False)


def pair(opened):
    read, write = os.pipe2(os.O_CLOEXEC)
    opened += [read, write]
    return read, write


def become(argv, env, cwd, ends, terminal, say):
    """In the child: turns into the program. Never returns. What cannot be run is answered as by a shell."""
    code = 126
    try:
        signal.set_wakeup_fd(-1)
        os.setsid()
        if terminal:
            import fcntl
            import termios

            fcntl.ioctl(ends[0], termios.TIOCSCTTY, 0)
        for target, fd in enumerate(ends):
            os.dup2(fd, target)
        os.umask(0o077)
        restore_signals()
        try:
            os.chdir(cwd)
        except OSError as error:
            os.write(say, ("cwd:The folder " + cwd + " cannot be entered: " + error.strerror + ".").encode("utf-8", "replace")[:4000])
            os._exit(126)
        try:
            os.execvpe(argv[0], argv, env)
        except OSError as error:
            code = 127 if isinstance(error, (FileNotFoundError, NotADirectoryError)) else 126
            os.write(2, (argv[0] + ": " + error.strerror + "\n").encode("utf-8", "replace")[:4000])
    except BaseException as error:
        os.write(say, ("failed:The command could not be prepared: " + str(error)).encode("utf-8", "replace")[:4000])
    finally:
        os._exit(code)
