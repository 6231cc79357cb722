"""One command of the agent: its process, and its time."""
import os
import signal
import time

from agent_children import strike
from agent_processes import descendants


class Command:
    """One command from its start until the gateway has read its end."""

    def __init__(self, name, given, output, grace):
        self.name, self.input, self.output, self.grace = name, given, output, grace
        self.pid = self.start = None
        self.terminal = False
        self.status = None  # of waitpid
        self.started = time.monotonic()
        self.lasted = None
        self.deadline = self.kill_at = None
        self.timed_out = False
        self.unwanted = False  # to be forgotten as soon as it has ended

    def strike(self, number):
        """Sends a signal to the command, all it has started and all of its session."""
        own = {self.pid} if self.status is None else set()
        # Once it was waited for, its number may be another's: only its session is still its own.
        ancestor = self.pid if self.status is None else -1
        strike(descendants(ancestor, {self.pid}) | own, number)

    def end(self):
        code = os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else None
        return {"code": None if code else os.WEXITSTATUS(self.status), "signal": code, "timed_out": self.timed_out, "seconds": self.lasted}

    def postpone(self, since, now):
        """Its time stood still in between."""
        stood = now - max(since, self.started)
        self.deadline = None if self.deadline is None else self.deadline + stood
        self.kill_at = None if self.kill_at is None else self.kill_at + stood

    def look_at_clock(self, now):
        """Does what is due; says when it is to be looked at again."""
        if self.deadline is not None and now >= self.deadline:
            self.timed_out, self.deadline, self.kill_at = True, None, now + self.grace
            self.strike(signal.SIGTERM)
            self.strike(signal.SIGCONT)
        if self.kill_at is not None and now >= self.kill_at:
            self.strike(signal.SIGKILL)
            self.kill_at = None
        return [at for at in (self.deadline, self.kill_at) if at is not None]
