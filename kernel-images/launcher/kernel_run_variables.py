"""Environment variables of one run: there while it runs, and afterwards as they were before."""
import os


class RunVariables:
    def __init__(self):
        self._before = {}

    def put(self, variables):
        if not variables:
            return
        for name, value in variables.items():
            self._before[name] = os.environ.get(name)
            os.environ[name] = value

    def take_back(self):
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._before = {}
