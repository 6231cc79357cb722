"""The children of the agent: how a program is started, and how it is known that it runs or why it does not."""
import os
import selectors
import signal

from agent_processes import restore_signals

WORD_MAX = 4096


class Start:
    """The word of a child about itself: why it could not become its program, or nothing once it has."""

    def __init__(self, selector, fd, told):
        self._selector, self._fd, self._told = selector, fd, told
        selector.register(fd, selectors.EVENT_READ, lambda _: self.look())

    def look(self):
        if self._fd is None:
            return
        try:
            failure = os.read(self._fd, WORD_MAX)
        except BlockingIOError:
            return
        self._selector.unregister(self._fd)
        os.close(self._fd)
        self._fd = None
        self._told(failure.decode("utf-8", "replace"))


def pair(opened):
    """A pipe, whose ends are noted, so that they can be closed when something goes wrong."""
    read, write = os.pipe2(os.O_CLOEXEC)
    opened += [read, write]
    return read, write


def close_all(opened):
    for fd in opened:
        os.close(fd)
    opened.clear()


def fork(argv, env, cwd, ends, report, terminal=False):
    """Starts a program with these three ends; its pid, and what reads its word.

    The agent has one thread, so a fork in Python is safe and the shortest way. `report` says in the child
    what has gone wrong at which step, and with which code it ends.
    """
    opened = []
    outcome, say = pair(opened)
    # Signals wait until the child has its own dispositions: the agent's handlers must not run in it.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            become(argv, env, cwd, ends, terminal, say, report)
    except BaseException:
        close_all(opened)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    os.close(say)
    os.set_blocking(outcome, False)
    return pid, outcome


def become(argv, env, cwd, ends, terminal, say, report):
    """In the child: turns into the program. Never returns."""
    code, step = 126, "prepare"
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
        step = "enter " + cwd
        os.chdir(cwd)
        step = "run " + argv[0]
        os.execvpe(argv[0], argv, env)
    except BaseException as error:
        code = report(say, step, error)
    finally:
        os._exit(code)


def reason_of(error):
    return getattr(error, "strerror", None) or str(error)


def say_to(fd, text):
    os.write(fd, text.encode("utf-8", "replace")[:WORD_MAX])


def strike(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            pass
