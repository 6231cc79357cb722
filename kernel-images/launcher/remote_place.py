"""The folder of the agent of commands, for remote_commands.py: only this user can use it, and another utility kernel finds it by its name."""
import os
import re
import stat
import subprocess
import sys
import tempfile
import threading
import time

from remote_link import reach
from remote_refusals import Refused

START_PATIENCE = 15.0
SAID_MAX = 2000
NAME = re.compile(r"[A-Za-z0-9_-]{1,48}")


class Place:
    def __init__(self, name, idle, sources):
        """After how long an agent that nobody needs ends (seconds), and what it consists of: file names and their sources."""
        if not NAME.fullmatch(name):
            raise Refused("invalid", "The name of the place is not one.")
        self.folder = os.path.join(tempfile.gettempdir(), "kg-%d-%s" % (os.getuid(), name))
        self._idle, self._sources = idle, sources

    def exists(self):
        return os.path.isdir(self.folder)

    def logs(self, command):
        return os.path.join(self.folder, "logs", command)

    def own(self):
        """Makes the folder, or sees that it is ours: everybody can make folders beside it."""
        try:
            os.mkdir(self.folder, 0o700)
        except FileExistsError:
            pass
        status = os.lstat(self.folder)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) != 0o700:
            raise Refused("failed", "The folder " + self.folder + " belongs to somebody else or is open to others, so no command is run. Remove it.")

    def reach(self):
        return reach(os.path.join(self.folder, "s", "agent"))

    def launch(self):
        """A connection to an agent that is started for it."""
        try:
            process = Process(self._start())
        except OSError as error:
            raise Refused("failed", "The agent of the commands could not be started: " + str(error)) from None
        until = time.monotonic() + START_PATIENCE
        while time.monotonic() < until:
            sock = self.reach()
            if sock is not None:
                return sock
            if process.ended.is_set():
                raise Refused("failed", "The agent of the commands ended at once: " + process.said[-500:])
            time.sleep(0.005)
        process.kill()
        raise Refused("failed", "The agent of the commands did not start.")

    def _start(self):
        inner = {name: os.path.join(self.folder, name) for name in ("a", "s", "logs", "t")}
        for path in inner.values():
            os.makedirs(path, 0o700, exist_ok=True)
        for name, source in self._sources.items():
            with open(os.path.join(inner["a"], os.path.basename(name)), "w", encoding="utf-8") as file:
                file.write(source)
        # A session of its own: whoever ends the kernel ends its process group.
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", os.path.join(inner["a"], "agent.py"), "--launcher", inner["a"],
             "--sockets", inner["s"], "--logs", inner["logs"], "--tmp", inner["t"], "--idle", str(self._idle)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", start_new_session=True)

    def remove(self):
        remove_tree(self.folder)


class Process:
    """An agent that was started here: what it said last, and whether it has ended."""

    def __init__(self, process):
        self._process = process
        self.said = ""
        self.ended = threading.Event()
        try:
            threading.Thread(target=self._await_end, daemon=True).start()
        except BaseException:
            # With nobody to read what it says and to wait for its end.
            process.kill()
            process.communicate()
            raise

    def kill(self):
        self._process.kill()

    def _await_end(self):
        # Read to the end: nobody must wait because nobody reads. Of what it says the last is enough.
        with self._process.stderr as errors:
            while True:
                data = errors.read1(4096)
                if not data:
                    break
                self.said = (self.said + data.decode("utf-8", "replace"))[-SAID_MAX:]
        self._process.wait()
        self.ended.set()


def remove_tree(folder):
    # No link is followed on the way: rmtree sees to that.
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
