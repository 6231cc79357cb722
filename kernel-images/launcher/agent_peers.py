"""The connections of the agent: lines in, lines out, bounded both ways, and none can hold up the others."""
import json
import os
import selectors
import socket
import time

LINE_MAX = 1 << 20
# A peer that asks and does not read is dropped when this much waits for it.
UNSENT_MAX = 4 << 20
# What all of them together may have sent in part or not read; beyond it, whoever has most of it is dropped.
HELD_MAX = 32 << 20
CONNECTIONS_MAX = 200
READ_SIZE = 1 << 16
# After this time (seconds) it is tried again to take somebody in, when that has failed.
LISTEN_AGAIN = 0.5


class Connection:
    """One peer: the bytes of its unfinished line and the bytes it has not read yet."""

    def __init__(self, sock):
        self.sock = sock
        self.received = bytearray()
        self.unsent = bytearray()

    def held(self):
        return len(self.received) + len(self.unsent)


class Peers:
    """Everybody who is connected. `answer` is called with each connection and line."""

    def __init__(self, selector, answer):
        self.selector = selector
        self.answer = answer
        self.connections = set()
        self.listener = None
        self.listening = False
        self.listen_at = 0.0

    def open(self, path):
        # Under another name until it listens: whoever sees the socket can connect.
        for stale in (path, path + ".new"):
            try:
                os.unlink(stale)
            except FileNotFoundError:
                pass
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.setblocking(False)
        self.listener.bind(path + ".new")
        self.listener.listen(64)
        os.rename(path + ".new", path)
        self.listen(True)

    def send_to_all(self, message):
        for connection in list(self.connections):
            self.send(connection, message)

    def listen(self, wanted):
        if wanted and not self.listening:
            self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        elif self.listening and not wanted:
            self.selector.unregister(self.listener)
        self.listening = wanted

    def accept(self, _):
        while self.listening:
            try:
                sock, _address = self.listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                # Out of descriptors: without this the loop would spin until one is free.
                self.listen(False)
                self.listen_at = time.monotonic() + LISTEN_AGAIN
                return
            self.welcome(sock)

    def tend(self):
        """Listens again after a failure, for there may be nobody whose leaving would say that it is time; says when to come again (seconds), or None."""
        if self.listening or len(self.connections) >= CONNECTIONS_MAX:
            return None
        left = self.listen_at - time.monotonic()
        if left > 0:
            return left
        self.listen(True)
        return None

    def welcome(self, sock):
        sock.setblocking(False)
        connection = Connection(sock)
        self.connections.add(connection)
        self.selector.register(sock, selectors.EVENT_READ, lambda events: self.serve(connection, events))
        if len(self.connections) >= CONNECTIONS_MAX:
            self.listen(False)

    def serve(self, connection, events):
        if events & selectors.EVENT_WRITE:
            self.send_more(connection)
        if not events & selectors.EVENT_READ or connection not in self.connections:
            return
        try:
            data = connection.sock.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.drop(connection)
            return
        *lines, rest = data.split(b"\n")
        for line in lines:
            connection.received += line
            if len(connection.received) > LINE_MAX:
                self.drop(connection)
                return
            line, connection.received = bytes(connection.received), bytearray()
            self.answer(connection, line)
            if connection not in self.connections:
                return
        connection.received += rest
        if len(connection.received) > LINE_MAX:
            self.drop(connection)
        self.bound()

    def send(self, connection, message):
        if connection not in self.connections:
            return
        connection.unsent += json.dumps(message).encode("utf-8", "backslashreplace") + b"\n"
        self.send_more(connection)
        if len(connection.unsent) > UNSENT_MAX:
            self.drop(connection)
        elif connection.unsent:
            self.bound()

    def bound(self):
        while sum(connection.held() for connection in self.connections) > HELD_MAX:
            self.drop(max(self.connections, key=Connection.held))

    def send_more(self, connection):
        try:
            while connection.unsent:
                sent = connection.sock.send(connection.unsent)
                del connection.unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self.drop(connection)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.unsent else 0)
        key = self.selector.get_key(connection.sock)
        if key.events != wanted:
            self.selector.modify(connection.sock, wanted, key.data)

    def drop(self, connection):
        if connection not in self.connections:
            return
        self.connections.discard(connection)
        self.selector.unregister(connection.sock)
        connection.sock.close()
        self.listen(True)
