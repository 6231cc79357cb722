"""Files and commands beside the kernels of a Jupyter server, for a gateway that reaches it through kernels only.

Runs in a kernel of its own, the utility kernel, in which nobody's code runs. The gateway evaluates
`call("{...}")` as a user expression of an empty execute_request: nothing is counted, kept or shown.
The answer is the reply, never an output, for servers limit and drop outputs. Each call has a thread,
so that a long one holds up nobody: when it takes longer (remote_calls.py) the answer is a ticket, to be
asked for again. That something is worth asking for is said by a message of a comm: one for each
topic until somebody has asked.

Standard library only, Python 3.9 and later, Linux.
"""
import json
import os
import sys
import threading

from remote_calls import Answer, Calls
from remote_commands import Commands
from remote_files import Files
from remote_place import Place
from remote_watches import Watches

PROTOCOL = 1
COMM_TARGET = "kernel-gateway"


class Bell:
    """Says to the gateway that there is something to ask for."""

    def __init__(self):
        self._lock = threading.Lock()
        self._rung = set()
        self._comm = None

    def connect(self, comm_id):
        from ipykernel.comm import Comm

        with self._lock:
            self._rung.clear()
            if self._comm is not None:
                try:
                    self._comm.close()
                except Exception:
                    pass  # Of one who is gone.
            # Opening it is a message too, which the gateway takes for a ring.
            self._comm = Comm(target_name=COMM_TARGET, comm_id=comm_id, data={})

    def ring(self, topic):
        with self._lock:
            if topic in self._rung or self._comm is None:
                return
            self._rung.add(topic)
            try:
                self._comm.send({"topic": topic})
            except Exception:
                pass  # The gateway looks from time to time all the same.

    def hear(self, topic):
        """Before a look: what comes after it is to be said again."""
        with self._lock:
            self._rung.discard(topic)


class Agent:
    """All of it, once a kernel."""

    def __init__(self):
        self.bell = Bell()
        self.calls = Calls(self.bell, self.release)
        self.files = Files()
        self.watches = Watches(self.bell, self.files.folders)
        self.commands = Commands(self.bell)
        self.operations = {}
        for part in (self.files, self.watches, self.commands):
            self.operations.update(part.operations())

    def hello(self, request):
        """Somebody begins anew: what the one before had under way is his no more."""
        self.calls.forget_all()
        self.files.handles.close_all()
        self.watches.close_all()
        self.bell.connect(request["comm"])
        self.files.folders.root = os.fsencode(request["root"] or os.getcwd())
        self.commands.place = Place(**request["place"])
        return Answer(ok={
            "protocol": PROTOCOL,
            "linux": sys.platform.startswith("linux"),
            "folder": os.getcwd(),
            "root": os.fsdecode(self.files.folders.root),
        })

    def release(self, request, result):
        """Nobody will hear of it: what was opened for him is closed."""
        if isinstance(result, dict):
            if "handle" in result and "handle" not in request:
                self.files.close({"handle": result["handle"], "discard": False}, None)
            if "watch" in result:
                self.watches.unwatch(result, None)

    def call(self, text):
        request = json.loads(text)
        name = request["op"]
        if name == "hello":
            return self.hello(request)
        if name == "fetch":
            return self.calls.fetch(request["ticket"])
        if name == "cancel":
            self.calls.cancel(request["ticket"])
            return Answer(ok=None)
        operation = self.operations.get(name)
        if operation is None:
            return Answer(refused="unknown", error="There is no operation " + str(name) + ".")
        return self.calls.start(operation, request)


AGENT = Agent()
call = AGENT.call
