"""All watches of a utility kernel, by their numbers, for remote_agent.py."""
import errno
import threading

from remote_paths import names_in
from remote_refusals import Cancelled, FileRefused
from remote_watch import Watch

WATCHES_MAX = 8


class Watches:
    def __init__(self, bell, folders):
        self.bell, self.folders = bell, folders
        self.lock = threading.Lock()
        # None: being begun.
        self.all, self.last = {}, 0

    def operations(self):
        return {"watch": self.watch, "changes": self.changes, "unwatch": self.unwatch}

    def watch(self, request, _):
        names = names_in(request)
        with self.lock:
            if len(self.all) >= WATCHES_MAX:
                raise FileRefused(watches="too many of this kernel")
            self.last += 1
            number = self.last
            self.all[number] = None
        try:
            watch = Watch(number, self.folders.enter, names, request["recursive"], request["most"], self.bell)
            watch.begin()
        except BaseException:
            with self.lock:
                self.all.pop(number, None)
            raise
        with self.lock:
            wanted = number in self.all
            if wanted:
                self.all[number] = watch
        if not wanted:
            # The gateway has begun anew meanwhile.
            watch.end()
            raise Cancelled()
        return {"watch": number, **watch.collect()}

    def changes(self, request, _):
        with self.lock:
            watch = self.all.get(request["watch"])
        if watch is None:
            raise FileRefused(errno=errno.ENOENT, names=[], field="path", link=None)
        return watch.collect()

    def unwatch(self, request, _):
        with self.lock:
            watch = self.all.pop(request["watch"], None)
        if watch is not None:
            watch.end()

    def close_all(self):
        with self.lock:
            watches, self.all = self.all, {}
        for watch in watches.values():
            if watch is not None:
                watch.end()
