"""Keeps the variables of a namespace in two files, and brings them back. Needs the standard library and dill.

One pickle a variable, one after the other in one file, all with one memo: what two variables share is one object
again when they come back, and a variable that cannot be kept, or not be brought back, takes none of the others
with it but those that share something with it. Large buffers (arrays, tables) go into the second file as they are,
without a copy in memory. At the end of the first file is an index, as JSON, and its length in 8 bytes.

With kernel_snapshot_*.py and kernel_types.py it can also be sent to a kernel as code, so that it needs no other.
"""
import json
import keyword
import os
import re

from kernel_snapshot_outside import NotKept
from kernel_snapshot_reader import Reader
from kernel_snapshot_writer import NoRoom, Sink, TooLarge, Writer
from kernel_types import attempt, sound, type_name

# What IPython puts into the namespace of its users by itself.
HISTORY = re.compile(r"(_+|_(i{1,3}|ii*h?|[iod]h|exit_code)|_i?[0-9]+|__.*__)\Z")
REASON_MAX, NAME_MAX = 300, 256


def answer(shell, content):
    """{"save": {...}} or {"load": {...}}, with the arguments of these."""
    if "save" in content:
        return save(shell.user_ns, shell.user_ns_hidden, **content["save"])
    return load(shell.user_ns, **content["load"])


def save(namespace, hidden, stream_path, buffers_path, most, most_each, most_names):
    """Writes what can be kept, and says what is there: {"kept": [...], "left": [...], "cwd": ...}."""
    import dill

    kept, left, sections = [], [], []
    names = sorted(name for name in list(namespace) if is_users(name, namespace, hidden))
    with open_new(stream_path) as stream, open_new(buffers_path) as buffers:
        writer = Writer(dill, Sink(stream), Sink(buffers))
        for name in names:
            if name not in namespace:
                continue  # The code of another variable has removed it.
            value = namespace[name]
            if len(kept) + len(left) >= most_names:
                left.append({"name": name, "type": type_name(value), "reason": "there are more than %d variables" % most_names})
                break
            try:
                section = writer.add(value, min(most_each, most - writer.written))
            except TooLarge:
                why = "more than the %d bytes that one variable may have" % most_each
                if most - writer.written < most_each:
                    why = "the snapshot would have more than the %d bytes that it may have" % most
                left.append({"name": name, "type": type_name(value), "reason": why})
            except (KeyboardInterrupt, NoRoom):
                raise
            except BaseException as error:
                left.append({"name": name, "type": type_name(value), "reason": reason_of(error)})
            else:
                kept.append({"name": name, "type": type_name(value), "size": section["size"], "digest": section.pop("digest")})
                sections.append({"name": name, **section})
        index = json.dumps(sections).encode()
        writer.stream.write(index + len(index).to_bytes(8, "little"))
        writer.stream.flush()
        writer.buffers.flush()
    return {"kept": kept, "left": left, "cwd": attempt(os.getcwd)}


def load(namespace, stream_path, buffers_path, cwd=None):
    """Brings the variables back; {"restored": n, "lost": [{"name", "reason"}]}."""
    import dill

    if cwd:
        attempt(lambda: os.chdir(cwd))
    lost, restored = [], 0
    with open(stream_path, "rb") as stream, open(buffers_path, "rb") as buffers:
        reader = Reader(dill, stream, buffers)
        for section in reader.sections():
            try:
                namespace[section["name"]] = reader.read(section)
                restored += 1
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                lost.append({"name": section["name"], "reason": reason_of(error)})
    return {"restored": restored, "lost": lost}


def is_users(name, namespace, hidden):
    if type(name) is not str or len(name) > NAME_MAX or not name.isidentifier() or keyword.iskeyword(name) or HISTORY.match(name):
        return False
    return name not in hidden or namespace[name] is not hidden[name]


def open_new(path):
    return open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def reason_of(error):
    if isinstance(error, NotKept):
        return sound(str(error))[:REASON_MAX]
    if isinstance(error, RecursionError):
        return "its objects are nested too deeply"
    try:
        return sound("%s: %s" % (type(error).__name__, error))[:REASON_MAX]
    except BaseException:
        return "an error that cannot be shown"
