"""A small client of KernelGateway for notebooks: REST for the life of a sandbox, SignalR for what it says.

Every event of a sandbox has a number. A reader that lost its connection asks for what comes after the last number it
has seen, so that no line is lost and none is shown twice. Needs the package websocket-client and nothing else.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
import uuid
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator
from urllib.parse import quote

import websocket

Event = dict[str, Any]

RECORD_END = "\x1e"  # ends each JSON message; a frame may hold several, or a part of one
PING_EVERY, DEAD_AFTER = 10.0, 30.0  # seconds of silence; the gateway pings every 15 and wants a ping within 30
INVOCATION, COMPLETION, STREAM_INVOCATION, PING, CLOSE = 1, 3, 4, 6, 7


class GatewayError(Exception):
    """The gateway refused: a stable code, and a sentence that says the way out."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Disconnected(Exception):
    """The connection was lost; what was asked may have happened or not."""


@contextmanager
def connected() -> Iterator[None]:
    """Whatever goes wrong on the way is one thing to the caller: no connection."""
    try:
        yield
    except (OSError, websocket.WebSocketException) as error:
        raise Disconnected(str(error)) from error


class HubConnection:
    """One SignalR connection, for one call at a time."""

    def __init__(self, url: str, key: str) -> None:
        self._calls, self._unread, self._messages = 0, "", list[Event]()
        address, header = "ws" + url.removeprefix("http") + "/hubs/sandboxes", ["Authorization: Bearer " + key]
        with connected():
            try:
                self.socket = websocket.create_connection(address, timeout=PING_EVERY, header=header)
            except websocket.WebSocketBadStatusException as error:
                raise GatewayError(str(error.status_code), "No connection to the hub; is the key right?") from error
        self._send({"protocol": "json", "version": 1})
        self._receive()

    def invoke(self, method: str, *arguments: Any) -> Any:
        """Calls a method and gives what it returns."""
        return next(self._answers(INVOCATION, method, arguments)).get("result")

    def stream(self, method: str, *arguments: Any) -> Iterator[Any]:
        """Calls a method that gives one thing after another, until it has ended."""
        for message in self._answers(STREAM_INVOCATION, method, arguments):
            if message["type"] == COMPLETION:
                return
            yield message["item"]

    def close(self) -> None:
        self.socket.close(timeout=1)

    def _answers(self, kind: int, method: str, arguments: tuple[Any, ...]) -> Iterator[Event]:
        self._calls += 1
        call = str(self._calls)
        self._send({"type": kind, "invocationId": call, "target": method, "arguments": arguments})
        while True:
            message = self._receive()
            if message.get("type") == CLOSE:
                raise Disconnected(message.get("error") or "The gateway closed the connection.")
            if message.get("invocationId") == call:
                if message.get("error"):  # "An unexpected error … HubException: code: sentence"
                    code, _, sentence = message["error"].split("HubException: ")[-1].partition(": ")
                    raise GatewayError(code, sentence)
                yield message

    def _send(self, message: Event) -> None:
        with connected():
            self.socket.send(json.dumps(message) + RECORD_END)

    def _receive(self) -> Event:
        heard = time.monotonic()
        while not self._messages:
            with connected():
                try:
                    frame = self.socket.recv()
                except websocket.WebSocketTimeoutException:
                    if time.monotonic() - heard > DEAD_AFTER:
                        raise
                    self._send({"type": PING})
                    continue
            if not frame:
                raise Disconnected("The gateway closed the connection.")
            heard = time.monotonic()
            *whole, self._unread = (self._unread + frame).split(RECORD_END)
            self._messages = [message for message in map(json.loads, whole) if message.get("type") != PING]
        return self._messages.pop(0)


@dataclass
class Result:
    """What a run printed, displayed, returned and raised, and how it ended."""

    status: str | None = None
    stdout: str = ""
    stderr: str = ""
    error: Event | None = None
    displays: list[dict[str, Any]] = field(default_factory=list)  # MIME type to value
    text: str | None = None

    def add(self, event: Event) -> None:
        kind = event["type"]
        if kind == "output":
            self.stdout += event["text"] if event["stream"] == "stdout" else ""
            self.stderr += event["text"] if event["stream"] == "stderr" else ""
        elif kind in ("result", "display"):
            self.displays.append(event["data"])
            self.text = event["data"].get("text/plain", self.text)
        elif kind == "error":
            self.error = event
        elif kind == "executionFinished":
            self.status = event.get("status")


class Sandbox:
    """A place where code runs and keeps its state, whoever is connected to it."""

    def __init__(self, gateway: Gateway, info: dict[str, Any]) -> None:
        self.gateway, self.info, self.id, self.connections = gateway, info, info["id"], 0
        self._hub: HubConnection | None = None

    def start(self, code: str, **options: Any) -> dict[str, Any]:
        """Starts code and comes back at once. The key makes a repeat after a lost connection harmless."""
        request = {"code": code, "idempotencyKey": uuid.uuid4().hex, **options}
        while True:
            with suppress(Disconnected), closing(self._connect()) as hub:
                return hub.invoke("RunCode", self.id, request)

    def events(self, after: int = 0) -> Iterator[Event]:
        """All events after a number, each once and in order, over any number of connections, until the sandbox ends."""
        while True:
            with suppress(Disconnected), closing(self._connect()) as hub:
                for event in hub.stream("StreamEvents", self.id, after):
                    if event["sequence"] != after + 1 and event["type"] != "truncated":
                        raise GatewayError("event_gap", f"Event {event['sequence']} came after {after}.")
                    after = event["sequence"]
                    yield event
                return

    def follow(self, run: dict[str, Any], after: int | None = None) -> Iterator[Event]:
        """The events of one run, from its first on or after a number, until it has ended."""
        with closing(self.events(run["firstSequence"] - 1 if after is None else after)) as events:
            for event in events:
                if event.get("executionId") == run["id"]:
                    yield event
                    if event["type"] == "executionFinished":
                        return
        raise GatewayError("sandbox_ended", "The sandbox ended before the run did.")

    def run(self, code: str, on_event: Callable[[Event], None] = lambda event: None, **options: Any) -> Result:
        """Runs code to its end; `on_event` sees everything as it happens."""
        result = Result()
        for event in self.follow(self.start(code, **options)):
            result.add(event)
            on_event(event)
        return result

    def show(self, code: str, **options: Any) -> Result:
        """Runs code and shows in this notebook what it says, as it says it: lines, figures, tables, errors."""
        return self.run(code, show_event, **options)

    def cut(self) -> None:
        """Loses the connection on purpose, as a laptop does: without a word. The next read goes on after the last number."""
        if self._hub:
            self._hub.socket.sock.shutdown(socket.SHUT_RDWR)

    def terminate(self) -> None:
        self.gateway.call("DELETE", "/api/v1/sandboxes/" + quote(self.id))

    def _connect(self) -> HubConnection:
        """Tries again and again, for `patience` seconds."""
        until, wait = time.monotonic() + self.gateway.patience, 0.1
        while True:
            try:
                self._hub = HubConnection(self.gateway.url, self.gateway.key)
                self.connections += 1
                return self._hub
            except Disconnected as error:
                if time.monotonic() > until:
                    raise GatewayError("unreachable", f"No connection to {self.gateway.url}: {error}") from error
                time.sleep(wait)
                wait = min(wait * 2, 2.0)


class Gateway:
    """One gateway and one key, by default those that KERNEL_GATEWAY_URL and KERNEL_GATEWAY_API_KEY name."""

    def __init__(self, url: str | None = None, key: str | None = None, patience: float = 60.0) -> None:
        self.url = (url or os.environ.get("KERNEL_GATEWAY_URL") or "http://127.0.0.1:8080").rstrip("/")
        self.key, self.patience = key or os.environ["KERNEL_GATEWAY_API_KEY"], patience

    def create(self, **request: Any) -> Sandbox:
        return Sandbox(self, self.call("POST", "/api/v1/sandboxes", request))

    def sandbox(self, sandbox_id: str) -> Sandbox:
        return Sandbox(self, self.call("GET", "/api/v1/sandboxes/" + quote(sandbox_id)))

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(self.url + path, None if body is None else json.dumps(body).encode(), method=method)
        request.headers = {"Authorization": "Bearer " + self.key, "Content-Type": "application/json"}
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            problem = json.loads(error.read() or b"{}")
            raise GatewayError(problem.get("code", str(error.code)), problem.get("detail", error.reason)) from error


def show_event(event: Event) -> None:
    """Shows one event in a notebook, as the notebook itself would; on a terminal without figures."""
    from IPython.display import clear_output, display

    kind = event["type"]
    if kind == "output":
        print(event["text"], end="", flush=True, file=sys.stderr if event["stream"] == "stderr" else sys.stdout)
    elif kind in ("result", "display"):
        place = {"display_id": event.get("displayId"), "update": event.get("update", False)}
        display(event["data"], raw=True, metadata=event.get("metadata") or {}, **place)
    elif kind == "error":
        print("\n".join(event["traceback"]), file=sys.stderr)
    elif kind == "clearOutput":
        clear_output(wait=event.get("wait", False))
