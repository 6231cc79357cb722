"""What the agent knows and does about processes of the system, whoever has started them."""
import os
import signal
import sys

PR_SET_CHILD_SUBREAPER = 36


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


def own_descriptors():
    """Whatever the one who started us left open is not for kernels, and what he closed must not become one end of something else."""
    os.closerange(3, 1024)
    while os.open(os.devnull, os.O_RDWR) < 3:
        pass
    os.close(3)


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
        if len(fields) < 4 or fields[0] in (b"Z", b"X"):
            continue
        pid = int(entry)
        parents[pid] = int(fields[1])
        if int(fields[3]) in sessions:
            found.add(pid)
    for pid in parents:
        # Each was looked at in a moment of its own: where a number was given again meanwhile, parents can form a circle.
        chain, current = {}, pid
        while current in parents and current not in found and current != ancestor and current not in chain:
            chain[current] = True
            current = parents[current]
        if current == ancestor or current in found:
            found.update(chain)
    found.discard(ancestor)
    return found
