"""What a value is called, and questions about it that may fail: its class and its methods are the user's."""

TYPE_MAX = 256
ERROR_MAX = 1000


def type_name(value):
    try:
        kind = type(value)
        # As type itself knows them: a metaclass could answer for its classes.
        name, module = type.__dict__["__qualname__"].__get__(kind), type.__dict__["__module__"].__get__(kind)
        return sound(name if module == "builtins" else "%s.%s" % (module, name))[:TYPE_MAX]
    except Exception:
        return "?"


def sound(text):
    """As it can be sent."""
    return str(text).encode("utf-8", "backslashreplace").decode()


def attempt(look):
    """Objects of the user may raise at whatever is asked of them."""
    try:
        return look()
    except Exception:
        return None


def error_content(error):
    """An error as a reply says it; also what is wrong with it is the user's."""
    name = attempt(lambda: type.__dict__["__name__"].__get__(type(error)))
    return {"status": "error", "ename": name or "Error", "evalue": (attempt(lambda: sound(error)) or "")[:ERROR_MAX], "traceback": []}
