"""The way out of a sandbox with a network: loopback ports that lead to the gateway's proxy socket.

A child of the agent, forked and not started anew: it costs two milliseconds and what it changes of
the agent's memory. It decides nothing; whoever goes round it meets the same proxy behind the socket.
"""
import os
import signal
import socket
import time

from agent_requests import Refused

# What a unix socket can be called, bytes.
SOCKET_PATH_MAX = 107


def route_in(request):
    """Where a request to forward leads, checked: the forwarder could only end at what the system does not take."""
    path, ports = request.get("socket"), request.get("ports")
    if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
        raise Refused("socket must be an absolute path.")
    try:
        length = len(os.fsencode(path))
    except UnicodeEncodeError:
        raise Refused("socket must be an absolute path.") from None
    if length > SOCKET_PATH_MAX:
        raise Refused("socket must be a path of at most %d bytes." % SOCKET_PATH_MAX)
    if not isinstance(ports, list) or not all(isinstance(port, int) and 1024 <= port <= 65535 for port in ports) or len(ports) > 8:
        raise Refused("ports must be a list of at most 8 numbers from 1024 to 65535.")
    return path, ports


class Forwarder:
    """The agent's side: the listening sockets, and the process that serves them."""

    # A process that ends sooner than this after its start is not started again.
    LEAST_LIFE = 1.0

    def __init__(self):
        self.listeners = []
        self.path = None
        self.pid = None
        self.started = 0.0

    def open(self, path, ports):
        """Listens on exactly these ports. All or none of them."""
        if [listener.getsockname()[1] for listener in self.listeners] == ports and self.path == path and self.pid is not None:
            return
        self.close()
        try:
            for port in ports:
                listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                self.listeners.append(listener)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.setblocking(False)
                listener.bind(("127.0.0.1", port))
                listener.listen(128)
            self.path = path
            if ports:
                self.fork()
        except OSError:
            self.close()
            raise

    def close(self):
        for listener in self.listeners:
            listener.close()
        self.listeners = []
        if self.pid is not None:
            try:
                os.kill(self.pid, signal.SIGKILL)
                # It holds the listening sockets as well: they are gone when it is.
                os.waitpid(self.pid, 0)
            except OSError:
                pass
            self.pid = None

    def fork(self):
        # Most sandboxes have no network, and kernels do not wait for it.
        from agent_forwarding import become

        self.started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            become(self.listeners, self.path)
        self.pid = pid

    def ended(self, pid):
        """True when this was the process. Without one nobody may listen: who connects must not wait."""
        if pid != self.pid:
            return False
        self.pid = None
        if time.monotonic() - self.started < self.LEAST_LIFE:
            self.close()
            return True
        try:
            self.fork()
        except OSError:
            self.close()
        return True
