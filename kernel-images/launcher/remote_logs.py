"""The logs of commands, as they are given to the gateway: what it has is removed, and then comes the next piece.

What lies there may be made by whoever runs as the same user, so that nothing of it is believed.
"""
import base64
import os
import re
import stat

SEGMENT = re.compile(r"[0-9]{10}\.seg")
READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def next_piece(folder, segment, offset, most):
    """[segment, offset, bytes, final size] from there on, None when there is nothing; removes the segments before."""
    try:
        numbers = sorted(int(name[:10]) for name in os.listdir(folder) if SEGMENT.fullmatch(name))
    except OSError:
        return None
    for number in numbers:
        if number < segment:
            try:
                os.unlink(path_of(folder, number))
            except OSError:
                pass
    numbers = [number for number in numbers if number >= segment]
    if not numbers:
        return None
    if numbers[0] > segment:
        segment, offset = numbers[0], 0
    try:
        size, data = read(path_of(folder, segment), offset, most)
    except OSError:
        return None
    # Whether there is a later one was known before the size was asked: it grows no more then.
    final = size if len(numbers) > 1 else None
    if not data and (final is None or offset < final):
        return None
    return [segment, offset, base64.b64encode(data).decode(), final]


def read(path, offset, most):
    fd = os.open(path, READING)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("not a file")
        return status.st_size, os.pread(fd, max(0, min(most, status.st_size - offset)), offset)
    finally:
        os.close(fd)


def path_of(folder, number):
    return os.path.join(folder, "%010d.seg" % number)
