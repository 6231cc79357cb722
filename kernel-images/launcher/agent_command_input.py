"""The input of one command: what has been given to it and not been taken yet."""
import os
import selectors

INPUT_MAX = 1 << 20
READ_SIZE = 1 << 16


class Input:
    def __init__(self, selector, data, closes):
        self._selector = selector
        self._unwritten = bytearray(data)
        # With the last of what waits, its end comes.
        self._closes = closes
        self._registered = False
        self.fd = None

    def is_needed(self):
        """Whether anything is or will be given to it."""
        return bool(self._unwritten) or not self._closes

    def open(self, fd, stays):
        """From now on it is given; a terminal's stays open to the end, for it says the end in its own way."""
        self.fd = fd
        if stays:
            self._closes = False
        self.feed()

    def takes_more(self):
        return self.fd is not None and not self._closes

    def waiting(self):
        return len(self._unwritten)

    def add(self, data):
        self._unwritten += data
        self.feed()

    def end(self):
        self._closes = True
        self.feed()

    def feed(self):
        """Gives the command as much as it takes."""
        if self.fd is None:
            return
        try:
            while self._unwritten:
                written = os.write(self.fd, self._unwritten[:READ_SIZE])
                del self._unwritten[:written]
        except BlockingIOError:
            if not self._registered:
                self._registered = True
                self._selector.register(self.fd, selectors.EVENT_WRITE, lambda _: self.feed())
            return
        except OSError:
            # Nobody reads it any more.
            self._closes = True
            self._unwritten.clear()
        if self._closes:
            self.close()
        elif self._registered:
            self._registered = False
            self._selector.unregister(self.fd)

    def close(self):
        if self.fd is None:
            return
        self._unwritten.clear()
        if self._registered:
            self._registered = False
            self._selector.unregister(self.fd)
        os.close(self.fd)
        self.fd = None
