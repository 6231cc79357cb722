"""The process that leads from loopback ports to the gateway's proxy socket; see agent_forwarder.py."""
import os
import selectors
import signal
import socket
import time

BUFFER = 1 << 16
CONNECTIONS_MAX = 256
# A client whose proxy has gone is still read for so long (seconds): closing at once could take the answer away from it.
LINGER = 2.0
AWAY = (
    b"HTTP/1.1 503 Gateway away or busy\r\nX-Proxy-Error: The gateway is away or busy for a moment; try again.\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)


def become(listeners, path):
    """In the child: turns into the forwarder. Never returns."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        kept = sorted(listener.fileno() for listener in listeners)
        for low, high in zip([2, *kept], [*kept, 1024]):
            os.closerange(low + 1, high)
        serve(listeners, path)
    finally:
        os._exit(1)


class Way:
    """One direction of a pair. While anything waits, no more is read: a slow receiver slows the sender."""

    def __init__(self, source, target):
        self.source, self.target = source, target
        self.waiting = bytearray()
        self.ended = False  # nothing more comes from the source
        self.closed = False  # the target takes nothing more
        self.done = False  # all was delivered, and the target knows that it was all

    def read(self):
        try:
            data = self.source.recv(BUFFER)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.ended = True
        elif not self.closed:
            self.waiting += data
        self.write()

    def write(self):
        try:
            while self.waiting:
                sent = self.target.send(self.waiting)
                del self.waiting[:sent]
            if self.ended and not self.closed and not self.done:
                self.done = True
                self.target.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True
            self.waiting.clear()


class Pair:
    """A client and its connection to the proxy."""

    def __init__(self, selector, client, proxy):
        self.selector, self.client, self.proxy = selector, client, proxy
        self.up, self.down = Way(client, proxy), Way(proxy, client)
        self.deadline = None
        if proxy is None:
            # The gateway is away, or takes no more connections.
            self.up.closed = self.down.ended = True
            self.down.waiting += AWAY
            self.down.write()

    def react(self, sock, events):
        incoming, outgoing = (self.up, self.down) if sock is self.client else (self.down, self.up)
        if events & selectors.EVENT_WRITE:
            outgoing.write()
        if events & selectors.EVENT_READ:
            incoming.read()

    def finished(self, now):
        """Also sets the time for a client that has all and goes on sending to nobody."""
        if self.down.closed or (self.down.done and self.up.ended):
            return True
        if self.down.done and self.up.closed and self.deadline is None:
            self.deadline = now + LINGER
        return self.deadline is not None and now >= self.deadline

    def watch(self):
        self.listen_to(self.client, not self.up.ended and not self.up.waiting, bool(self.down.waiting))
        if self.proxy is not None:
            self.listen_to(self.proxy, not self.down.ended and not self.down.waiting, bool(self.up.waiting))

    def listen_to(self, sock, read, write):
        wanted = (selectors.EVENT_READ if read else 0) | (selectors.EVENT_WRITE if write else 0)
        key = self.selector.get_map().get(sock)
        if key is None:
            if wanted:
                self.selector.register(sock, wanted, self)
        elif not wanted:
            self.selector.unregister(sock)
        elif wanted != key.events:
            self.selector.modify(sock, wanted, self)

    def close(self):
        for sock in (self.client, self.proxy):
            if sock is not None:
                self.listen_to(sock, False, False)
                sock.close()


def welcome(selector, listener, path):
    try:
        client, _ = listener.accept()
    except OSError:
        return None
    client.setblocking(False)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    proxy = None
    try:
        proxy = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        proxy.setblocking(False)
        proxy.connect(path)
    except OSError:
        if proxy is not None:
            proxy.close()
        proxy = None
    return Pair(selector, client, proxy)


def serve(listeners, path):
    selector = selectors.DefaultSelector()
    pairs, accepting = set(), False
    while True:
        room = len(pairs) < CONNECTIONS_MAX
        if room != accepting:
            for listener in listeners:
                if room:
                    selector.register(listener, selectors.EVENT_READ, None)
                else:
                    selector.unregister(listener)
            accepting = room
        deadlines = [pair.deadline for pair in pairs if pair.deadline is not None]
        timeout = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
        touched = set()
        for key, events in selector.select(timeout):
            pair = key.data
            if pair is None:
                pair = welcome(selector, key.fileobj, path)
                if pair is None:
                    continue
                pairs.add(pair)
            else:
                pair.react(key.fileobj, events)
            touched.add(pair)
        now = time.monotonic()
        for pair in touched | {pair for pair in pairs if pair.deadline is not None}:
            if pair.finished(now):
                pair.close()
                pairs.discard(pair)
            else:
                pair.watch()
