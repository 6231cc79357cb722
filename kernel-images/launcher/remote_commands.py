"""Commands, for remote_agent.py: run by the same agent as in sandboxes of this host (agent.py), in a process of its own.

So they live on when the utility kernel ends, and another one finds them by the name of the place: a
folder that only this user can use, with the agent's socket and the logs of the commands. Here the
gateway's requests are passed on, and the bytes of the logs are given to it: it copies them, at the
same places of files of the same names, and says which it has, which are removed then. What is not
removed makes the command wait.
"""
import os
import re
import threading
import time

from remote_link import Link
from remote_logs import next_piece
from remote_place import remove_tree
from remote_refusals import Refused

TOPIC = "logs"
COMMAND = re.compile(r"[0-9a-f]{32}")


class Commands:
    def __init__(self, bell):
        self.place = None
        self._bell = bell
        self._lock = threading.Lock()
        self._link = None
        self._known = set()
        self._turn = 0

    def operations(self):
        return {"command": self.command, "forget": self.forget, "commands": self.commands, "logs": self.logs, "shutdown": self.shutdown}

    def connected(self, start=False):
        """The connection to the agent; None when it does not run and is not to be started."""
        with self._lock:
            if self._link is not None and not self._link.ended:
                return self._link
            self._link, self._known = None, set()
            place = self.place
            if not start and not place.exists():
                return None
            place.own()
            sock = place.reach()
            if sock is None:
                if not start:
                    return None
                sock = place.launch()
            link = Link(sock, lambda: self._bell.ring(TOPIC))
            try:
                known = {str(command["command"]) for command in link.ask({"op": "hello"})["commands"]}
            except BaseException:
                # One that is there and does not say what it runs: what it runs would be taken for lost.
                link.close()
                raise
            self._link, self._known = link, known
            return link

    # Operations ---------------------------------------------------------------------------------

    def command(self, request, _):
        asked = request["request"]
        starts = asked.get("do") == "run"
        link = self.connected(start=starts)
        if link is None:
            raise Refused("unknown", "There is no such command.")
        if starts:
            base = {name: value for name, value in os.environ.items() if not name.startswith("JPY_")}
            asked = {**asked, "env": {**base, **asked["env"]}}
        answer = link.ask({**asked, "op": "command"})
        if starts:
            self._known.add(asked["command"])
        return {"pid": answer.get("pid")}

    def forget(self, request, _):
        """Also of one whose agent is gone, and which only has a log."""
        name = request["command"]
        if not COMMAND.fullmatch(name):
            raise Refused("invalid", "The id of a command has 32 hexadecimal digits.")
        link = self.connected()
        if link is not None:
            link.ask({"op": "command", "do": "forget", "command": name})
        else:
            remove_tree(self.place.logs(name))
        self._known.discard(name)

    def commands(self, _request, _):
        return {"known": sorted(self._known if self.connected() is not None else ())}

    def shutdown(self, request, _):
        """Ends the agent with all its commands, and removes what is left of them."""
        link = self.connected()
        if link is not None:
            link.ask({"op": "shutdown", "grace": request["grace"]})
            until = time.monotonic() + request["grace"] + 10
            while not link.ended and time.monotonic() < until:
                time.sleep(0.01)
        self.place.remove()

    def logs(self, request, _):
        """Removes what the gateway has, and gives it what comes next: [command, segment, offset, bytes, final size]."""
        self._bell.hear(TOPIC)
        known = self._known if self.connected() is not None else set()
        left, pieces, lost = request["most"], [], []
        asked = sorted(request["at"].items())
        if asked:
            # Another one first each time: none is to wait for the end of one that never stops.
            self._turn = (self._turn + 1) % len(asked)
            asked = asked[self._turn:] + asked[:self._turn]
        for name, (segment, offset) in asked:
            if not COMMAND.fullmatch(name):
                continue
            found = next_piece(self.place.logs(name), segment, offset, min(left, max(1, request["most"] // 4)))
            if found is not None:
                pieces.append([name, *found])
                left -= len(found[2])
            elif name not in known:
                lost.append(name)
            if left <= 0:
                break
        return {"pieces": pieces, "lost": lost}
