"""How the agent ends: what descends from it is asked to end, later made to, and then it goes itself."""
import os
import signal
import time

from agent_children import strike
from agent_processes import descendants

# While it shuts down the agent looks for what is left this often (seconds).
SWEEP_INTERVAL = 0.05
# How long processes may take to vanish after SIGKILL before the agent goes without them.
KILL_PATIENCE = 5.0


class Ending:
    def __init__(self):
        self.deadline = None
        self._terminated = set()

    @property
    def begun(self):
        return self.deadline is not None

    def begin(self, grace):
        deadline = time.monotonic() + grace
        self.deadline = deadline if self.deadline is None else min(self.deadline, deadline)

    def sweep(self, reap, running_pids):
        """Ends what is left of the kernels; true when nothing is, or when nothing more can be done."""
        for _ in range(2):
            # Twice, for one look can miss a child whose parent ends meanwhile.
            reap()
            sessions = running_pids()
            left = descendants(os.getpid(), sessions)
            if left or sessions:
                break
        else:
            reap()
            return True
        now = time.monotonic()
        if now > self.deadline + KILL_PATIENCE:
            return True
        if now >= self.deadline:
            strike(left | sessions, signal.SIGKILL)
        else:
            # Once each: a second SIGTERM can mean "at once" to a program that is tidying up.
            strike((left | sessions) - self._terminated, signal.SIGTERM)
            self._terminated |= left | sessions
        return False
