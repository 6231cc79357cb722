"""Files and commands beside the kernels of a Jupyter server, for a gateway that reaches it through kernels only.

Runs in a kernel of its own, the utility kernel, in which nobody's code runs. The gateway evaluates
`call("{...}")` as a user expression of an empty execute_request: nothing is counted, kept or shown.
The answer is the reply, never an output, for servers limit and drop outputs. Each call has a thread,
so that a long one holds up nobody: when it takes longer than PATIENCE the answer is a ticket, to be
asked for again. That something is worth asking for is said by a message of a comm: one for each
topic until somebody has asked.

Standard library only, Python 3.9 and later, Linux.
"""
import json
import os
import sys
import threading

import remote_commands
import remote_files
import remote_watch
from remote_paths import FileRefused

PROTOCOL = 1
PATIENCE = 0.02
CALLS_MAX = 64
COMM_TARGET = "kernel-gateway"


class Answer:
    """What a call evaluates to; shown as its text and nothing else."""

    def __init__(self, **fields):
        self.text = json.dumps(fields, separators=(",", ":"))

    def __repr__(self):
        return self.text


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


class Call:
    """One call in work."""

    def __init__(self, number):
        self.topic = "call:%d" % number
        self.cancelled = threading.Event()
        self.done = threading.Event()
        self.answer = None
        self.awaited = False


class Calls:
    """All calls in work, by their number."""

    def __init__(self, bell):
        self._bell = bell
        self._lock = threading.Lock()
        self._last = 0
        self._all = {}

    def start(self, operation, request):
        with self._lock:
            if len(self._all) >= CALLS_MAX:
                return Answer(refused="many", error="Too many calls on files and commands are in work.")
            self._last += 1
            number = self._last
            call = self._all[number] = Call(number)
        threading.Thread(target=self._run, args=(call, operation, request), daemon=True).start()
        call.done.wait(PATIENCE)
        return self.fetch(number)

    def fetch(self, number):
        with self._lock:
            call = self._all.get(number)
            if call is None:
                return Answer(refused="lost", error="The call is not known any more.")
            self._bell.hear(call.topic)
            if not call.done.is_set():
                call.awaited = True
                return Answer(ticket=number)
            del self._all[number]
            return call.answer

    def cancel(self, number):
        """Nobody will ask for its answer."""
        with self._lock:
            call = self._all.pop(number, None)
        if call is not None:
            call.cancelled.set()

    def forget_all(self):
        with self._lock:
            calls, self._all = self._all, {}
        for call in calls.values():
            call.cancelled.set()

    def _run(self, call, operation, request):
        try:
            call.answer = Answer(ok=operation(request, call.cancelled))
        except FileRefused as refusal:
            call.answer = Answer(**refusal.fields)
        except remote_commands.Refused as refusal:
            call.answer = Answer(refused=refusal.code, error=str(refusal))
        except Exception as error:
            call.answer = Answer(refused="failed", error="%s: %s" % (type(error).__name__, error))
        with self._lock:
            call.done.set()
            awaited = call.awaited
        if awaited:
            self._bell.ring(call.topic)


class Agent:
    """All of it, once a kernel."""

    def __init__(self):
        self.bell = Bell()
        self.calls = Calls(self.bell)
        self.files = remote_files.Files()
        self.watches = remote_watch.Watches(self.bell, self.files)
        self.commands = remote_commands.Commands(self.bell)
        self.operations = {}
        for part in (self.files, self.watches, self.commands):
            self.operations.update(part.operations())

    def hello(self, request):
        """Somebody begins anew: what the one before had under way is his no more."""
        self.calls.forget_all()
        self.files.close_all()
        self.watches.close_all()
        self.bell.connect(request["comm"])
        self.files.root = os.fsencode(request["root"] or os.getcwd())
        self.commands.place = request["place"]
        return Answer(ok={
            "protocol": PROTOCOL,
            "linux": sys.platform.startswith("linux"),
            "folder": os.getcwd(),
            "root": os.fsdecode(self.files.root),
        })

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
