"""How a command is started: with pipes or a terminal, and as a shell would answer for what cannot be run."""
import os

from agent_children import close_all, fork, pair, reason_of, say_to
from agent_command_output import Stream


class Started:
    """A command's process, and the agent's ends of what it reads and writes; none of them makes the agent wait."""

    def __init__(self, pid, outcome, given, streams):
        self.pid, self.outcome, self.given, self.streams = pid, outcome, given, streams
        for fd in (given, *(stream.fd for stream in streams)):
            if fd is not None:
                os.set_blocking(fd, False)


def start(argv, env, cwd, size, has_input):
    """With a size, in columns and rows, in a terminal of its own."""
    opened = []
    try:
        if size is not None:
            ends, given, streams = in_terminal(opened, size)
        else:
            ends, given, streams = in_pipes(opened, has_input)
        pid, outcome = fork(argv, env, cwd, ends, report, terminal=size is not None)
    except BaseException:
        close_all(opened)
        raise
    close_all(set(ends))
    return Started(pid, outcome, given, streams)


def in_terminal(opened, size):
    master, slave = os.openpty()
    opened += [master, slave]
    set_size(master, size)
    given = os.dup(master)
    opened.append(given)
    return (slave, slave, slave), given, [Stream(b"stdout", master)]


def in_pipes(opened, has_input):
    output, write = pair(opened)
    errors, write_errors = pair(opened)
    given = None
    if has_input:
        read, given = pair(opened)
    else:
        read = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        opened.append(read)
    return (read, write, write_errors), given, [Stream(b"stdout", output), Stream(b"stderr", errors)]


def set_size(fd, size):
    import fcntl
    import struct
    import termios

    if not isinstance(size, list) or len(size) != 2 or not all(isinstance(number, int) and 1 <= number <= 10000 for number in size):
        raise ValueError("it must be columns and rows, each from 1 to 10000")
    columns, rows = size
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def report(say, step, error):
    """In a child that could not become the command; the code is a shell's."""
    if step.startswith("enter") and isinstance(error, OSError):
        say_to(say, "cwd:The folder " + step[len("enter "):] + " cannot be entered: " + error.strerror + ".")
        return 126
    if step.startswith("run") and isinstance(error, OSError):
        say_to(2, step[len("run "):] + ": " + error.strerror + "\n")
        return 127 if isinstance(error, (FileNotFoundError, NotADirectoryError)) else 126
    say_to(say, "failed:The command could not be prepared: " + reason_of(error))
    return 126
