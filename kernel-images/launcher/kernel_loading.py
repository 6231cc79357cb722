"""Loads ipykernel in half the time, by leaving for later what a kernel hardly ever uses."""
import sys
import types


def load_kernel_application():
    """Imports ipykernel. What is left out:

    - debugpy, a third of the time: the debugger of notebooks, which our kernelspecs do not offer. User code
      imports it as ever.
    - IPython.embed with all of prompt_toolkit, for terminals: comes when it is asked for.
    """
    sys.modules["debugpy"] = None
    placeholder = types.ModuleType("IPython.terminal.embed")
    placeholder.embed = object()
    sys.modules[placeholder.__name__] = placeholder
    try:
        import IPython
        import ipykernel.kernelapp  # noqa: F401
    finally:
        del sys.modules["debugpy"], sys.modules[placeholder.__name__]
    if getattr(IPython, "embed", None) is placeholder.embed:
        del IPython.embed
        IPython.__getattr__ = load_later


def load_later(name):
    if name == "embed":
        from IPython.terminal.embed import embed

        sys.modules["IPython"].embed = embed
        return embed
    raise AttributeError("module 'IPython' has no attribute %r" % name)
