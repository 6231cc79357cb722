"""The calls in work, for remote_agent.py: each has a thread, so that a long one holds up nobody."""
import json
import threading
import time

from remote_refusals import Refusal

PATIENCE = 0.02
CALLS_MAX = 64
# A call for which nobody has asked for so long (seconds) was given up by a gateway that had no ticket for it yet.
UNASKED_MAX = 600.0


class Answer:
    """What a call evaluates to; shown as its text and nothing else."""

    def __init__(self, **fields):
        self.text = json.dumps(fields, separators=(",", ":"))

    def __repr__(self):
        return self.text


class Call:
    """One call in work."""

    def __init__(self, number, request):
        self.topic = "call:%d" % number
        self.request = request
        self.cancelled = threading.Event()
        self.done = threading.Event()
        self.answer = self.result = None
        self.awaited = False
        self.asked = time.monotonic()


class Calls:
    """All calls in work, by their number. `release` is given the request and the result of one that nobody asks for any more."""

    def __init__(self, bell, release):
        self._bell, self._release = bell, release
        self._lock = threading.Lock()
        self._last = 0
        self._all = {}

    def start(self, operation, request):
        self.forget_unasked()
        with self._lock:
            if len(self._all) >= CALLS_MAX:
                return Answer(refused="many", error="Too many calls on files and commands are in work.")
            self._last += 1
            number = self._last
            call = self._all[number] = Call(number, request)
        try:
            threading.Thread(target=self._run, args=(call, operation), daemon=True).start()
        except RuntimeError:
            with self._lock:
                del self._all[number]
            return Answer(refused="many", error="No more threads can be started for calls on files and commands.")
        call.done.wait(PATIENCE)
        return self.fetch(number)

    def fetch(self, number):
        with self._lock:
            call = self._all.get(number)
            if call is None:
                return Answer(refused="lost", error="The call is not known any more.")
            self._bell.hear(call.topic)
            if not call.done.is_set():
                call.awaited, call.asked = True, time.monotonic()
                return Answer(ticket=number)
            del self._all[number]
            return call.answer

    def cancel(self, number):
        """Nobody will ask for its answer."""
        with self._lock:
            call = self._all.pop(number, None)
        self._give_up(call)

    def forget_all(self):
        with self._lock:
            calls, self._all = self._all, {}
        for call in calls.values():
            self._give_up(call)

    def forget_unasked(self):
        now = time.monotonic()
        with self._lock:
            numbers = [number for number, call in self._all.items() if now - call.asked > UNASKED_MAX]
        for number in numbers:
            self.cancel(number)

    def _give_up(self, call):
        if call is None:
            return
        with self._lock:
            call.cancelled.set()
            done = call.done.is_set()
        if done:
            self._release(call.request, call.result)

    def _run(self, call, operation):
        try:
            call.result = operation(call.request, call.cancelled)
            call.answer = Answer(ok=call.result)
        except Refusal as refusal:
            call.answer = Answer(**refusal.fields)
        except Exception as error:
            call.answer = Answer(refused="failed", error="%s: %s" % (type(error).__name__, error))
        with self._lock:
            call.done.set()
            awaited, unwanted = call.awaited, call.cancelled.is_set()
        if unwanted:
            self._release(call.request, call.result)
        elif awaited:
            self._bell.ring(call.topic)
