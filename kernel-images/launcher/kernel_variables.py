"""Answers questions about the user's variables, beside history, Out and the counter.

The shell request kg_variables_request asks for one of:

  {"list": {"limit": 1000}}          -> {"total": n, "variables": [{"name", "type", "shape", "length", "size", "preview"}]}
  {"get": {"name": "x", "max": n}}   -> {"name", "type", "json"} or {"name", "type", "data", "metadata"}
  {"set": {"x": 1, ...}}             -> {}

The reply is status ok with these, or status error with ename NameError, ValueError or what the user's own code raised.
"""
import json
import keyword
import reprlib
import sys

from kernel_types import attempt, sound, type_name

PREVIEW = 200
DEPTH_MAX = 64


class Previews(reprlib.Repr):
    """Looks at the beginning of what is large, and never at all of it."""

    def __init__(self):
        super().__init__()
        self.maxstring = self.maxother = PREVIEW
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = self.maxdeque = self.maxarray = 10


def answer(shell, content):
    """The content of the reply, but for its status."""
    if "list" in content:
        return list_variables(shell, int(content["list"]["limit"]))
    if "get" in content:
        return get_variable(shell, content["get"]["name"], int(content["get"]["max"]))
    return set_variables(shell, content["set"])


def list_variables(shell, limit):
    names = [name for name in list(shell.user_ns) if is_users(shell, name)]
    return {"total": len(names), "variables": [describe(name, shell.user_ns[name]) for name in sorted(names)[:limit]]}


def is_users(shell, name):
    return type(name) is str and not name.startswith("_") and name not in shell.user_ns_hidden


def describe(name, value):
    return {
        "name": name,
        "type": type_name(value),
        "shape": shape_of(value),
        "length": attempt(lambda: len(value)),
        "size": attempt(lambda: sys.getsizeof(value)),
        "preview": attempt(lambda: sound(Previews().repr(value)[:PREVIEW])),
    }


def shape_of(value):
    shape = attempt(lambda: value.shape) if hasattr(type(value), "shape") else None
    if isinstance(shape, tuple) and len(shape) <= DEPTH_MAX and all(type(n) is int for n in shape):
        return list(shape)
    return None


def get_variable(shell, name, most):
    check_name(name)
    if name not in shell.user_ns:
        raise NameError("name '%s' is not defined" % name)
    value = shell.user_ns[name]
    found = {"name": name, "type": type_name(value)}
    if is_plain(value, DEPTH_MAX):
        check_size(name, size_of(value), most)
        return {**found, "json": value}
    data, metadata = shell.display_formatter.format(value)
    if not data:
        data = {"text/plain": repr(value)}
    data = {kind: to_json(part) for kind, part in data.items()}
    check_size(name, size_of(data), most)
    return {**found, "data": data, "metadata": metadata}


def is_plain(value, depth):
    """Whether JSON holds all of it, so that it comes back as what it was."""
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return True
    if kind is float:
        return value - value == 0
    if depth == 0:
        return False
    if kind is list:
        return all(is_plain(item, depth - 1) for item in value)
    return kind is dict and all(type(key) is str and is_plain(item, depth - 1) for key, item in value.items())


def size_of(value):
    """Bytes as JSON; raises for what cannot be sent."""
    return len(json.dumps(value, ensure_ascii=False).encode())


def to_json(part):
    if isinstance(part, bytes):
        import base64

        return base64.b64encode(part).decode("ascii")
    return part


def set_variables(shell, values):
    for name in values:
        check_name(name)
    shell.user_ns.update(values)
    return {}


def check_name(name):
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError("%s is not a name that a variable can have" % ascii(name)[:100])


def check_size(name, size, most):
    if size > most:
        raise OverflowError("'%s' has %d bytes as JSON, and at most %d are given out" % (name, size, most))
