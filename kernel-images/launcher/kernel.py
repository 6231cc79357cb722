"""Starts an IPython kernel that writes its log. Use: kernel.py -f <connection file>, with KG_LOG_DIR set.

Settings, in bytes: KG_LOG_SEGMENT (size of a segment), KG_LOG_MAX (unread log at which the kernel waits),
KG_LOG_MESSAGE_MAX (larger messages are left out of the log).
"""
import gc

# Nothing made while loading is garbage; looking for some costs a tenth of the time.
gc.disable()

import os  # noqa: E402
import sys  # noqa: E402


def take_setting(name, default):
    """Settings are taken out of the environment: a kernel started by the user's code is not ours."""
    value = os.environ.pop(name, None)
    try:
        return max(1, int(value)) if value else default
    except ValueError:
        sys.exit("kernel.py: %s must be a number of bytes, not %r" % (name, value))


def load():
    """Imports what needs the launcher's folder, which user code must not find on its path."""
    launcher = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [launcher, *(entry for entry in sys.path if os.path.abspath(entry) != launcher)]
    try:
        from kernel_loading import load_kernel_application

        load_kernel_application()
        from kernel_app import run
        from kernel_log import KernelLog
    finally:
        sys.path.remove(launcher)
    return KernelLog, run


def main():
    folder = os.environ.pop("KG_LOG_DIR", None)
    if not folder:
        sys.exit("kernel.py: KG_LOG_DIR must name the folder of the log")
    segment_max = take_setting("KG_LOG_SEGMENT", 4 << 20)
    log_max = take_setting("KG_LOG_MAX", 64 << 20)
    message_max = take_setting("KG_LOG_MESSAGE_MAX", 16 << 20)
    KernelLog, run = load()
    try:
        log = KernelLog(folder, segment_max, log_max, message_max)
    except (OSError, ValueError) as error:
        sys.exit("kernel.py: cannot write a log in %s: %s" % (folder, error))
    run(log, sys.argv[1:])


if __name__ == "__main__":
    main()
