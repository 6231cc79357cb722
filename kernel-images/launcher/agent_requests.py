"""What the requests of the agent hold, checked: whoever sends one may be anybody in the sandbox."""
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


class Refused(Exception):
    """A request that is answered with ok:false and this sentence, and with a word for programs where they need one."""

    def __init__(self, message, code=None):
        super().__init__(message)
        self.code = code

    def answer(self):
        return {"ok": False, **({} if self.code is None else {"code": self.code}), "error": str(self)}


def name_in(request, field):
    name = request.get(field)
    if not isinstance(name, str) or not 1 <= len(name) <= 64 or not NAME_CHARACTERS.issuperset(name):
        raise Refused(field + " must be 1 to 64 letters, digits, '-' or '_'.")
    return name


def program_in(request, code=None):
    """argv, env and cwd of something to start."""
    argv, env, cwd = request.get("argv"), request.get("env", {}), request.get("cwd", "/")
    if not isinstance(argv, list) or not argv or not all(isinstance(item, str) for item in argv):
        raise Refused("argv must be a list of strings, not empty.", code)
    if not isinstance(env, dict) or not all(isinstance(item, str) for item in env.values()):
        raise Refused("env must be an object of strings.", code)
    if not isinstance(cwd, str) or any("\0" in item for item in (cwd, *argv, *env, *env.values())):
        raise Refused("cwd must be a string, and no string may hold a NUL character.", code)
    return argv, env, cwd


def signal_in(request, code=None):
    number = request.get("signal")
    if not isinstance(number, int) or not 1 <= number <= 64:
        raise Refused("signal must be a number from 1 to 64.", code)
    return number


def is_seconds(value, most):
    # Of what is no number, nothing is true, also not this.
    return isinstance(value, (int, float)) and 0 <= value <= most
