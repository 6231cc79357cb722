"""The processes of the agent: how a kernel is started, what is known of it, and who descends from us."""
import json
import os
import signal
import sys

RING_MAX = 1 << 16
TAIL_MAX = 4 << 10
PR_SET_CHILD_SUBREAPER = 36


class Kernel:
    """One kernel process from its launch until it is forgotten."""

    def __init__(self, name, connection_file):
        self.name = name
        self.connection_file = connection_file
        self.pid = None
        self.outcome = None  # reads "why it could not start"; end of file once it has
        self.output = None  # reads its raw stdout and stderr
        self.asked_by = None
        self.launched = False
        self.ended = False
        self.code = None
        self.signal = None
        self.ring = bytearray()

    def write_connection_file(self, connection):
        try:
            os.unlink(self.connection_file)
        except FileNotFoundError:
            pass
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(self.connection_file, flags, 0o600), "w", encoding="utf-8") as file:
            json.dump(connection, file)

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


def spawn(kernel, argv, env, cwd):
    """Forks the kernel. The agent has one thread, so a fork in Python is safe and the shortest way."""
    for item in (*argv, *env, *env.values(), cwd):
        if "\0" in item:
            raise ValueError("a string holds a NUL character")
    outcome, say = os.pipe2(os.O_CLOEXEC)
    output, write = os.pipe2(os.O_CLOEXEC)
    try:
        pid = os.fork()
    except OSError:
        for fd in (outcome, say, output, write):
            os.close(fd)
        raise
    if pid == 0:
        become(argv, env, cwd, write, say)
    os.close(say)
    os.close(write)
    os.set_blocking(outcome, False)
    os.set_blocking(output, False)
    kernel.pid, kernel.outcome, kernel.output = pid, outcome, output


def become(argv, env, cwd, write, say):
    """In the child: turns into the kernel or says why not. Never returns."""
    try:
        doing = "prepare"
        signal.set_wakeup_fd(-1)
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(write, 1)
        os.dup2(write, 2)
        os.umask(0o077)
        restore_signals()
        doing = "enter " + cwd
        os.chdir(cwd)
        doing = "run " + argv[0]
        os.execvpe(argv[0], argv, env)
    except BaseException as error:
        reason = getattr(error, "strerror", None) or str(error)
        os.write(say, ("The kernel could not " + doing + ": " + reason + ".").encode("utf-8", "replace")[:4096])
    finally:
        os._exit(127)


def restore_signals():
    """In a child, before it becomes another program."""
    # Python ignores SIGPIPE and SIGXFSZ; a program must not inherit that.
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            try:
                signal.signal(number, signal.SIG_DFL)
            except (OSError, ValueError):
                pass
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        # Out of memory: what was started goes first, and the agent lives to tell.
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass


def become_subreaper():
    """Orphans of kernels then fall to the agent, which can find and end them. Best effort."""
    try:
        import ctypes

        done = ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    except Exception:
        done = False
    if not done:
        sys.stderr.write("agent.py: orphans of kernels may outlive a shutdown\n")


def descendants(ancestor, sessions):
    """The pids of live processes that descend from a process or belong to one of the sessions."""
    parents, found = {}, set()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open("/proc/" + entry + "/stat", "rb") as file:
                # The name, in brackets, can hold anything, brackets too.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] in (b"Z", b"X"):
            continue
        pid = int(entry)
        parents[pid] = int(fields[1])
        if int(fields[3]) in sessions:
            found.add(pid)
    for pid in parents:
        chain, current = [], pid
        while current in parents and current not in found and current != ancestor:
            chain.append(current)
            current = parents[current]
        if current == ancestor or current in found:
            found.update(chain)
    found.discard(ancestor)
    return found
