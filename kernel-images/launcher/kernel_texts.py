"""Texts as they can be sent: of characters that UTF-8 has, and in pieces of a bounded size."""

# The largest text of one stream message, bytes of UTF-8.
PIECE = 1 << 16
# Surely no larger, whatever the characters: a lone surrogate becomes six.
PIECE_CHARACTERS = PIECE // 6


def sound(text):
    """A text that can be sent, and its bytes. Lone surrogates cannot: they would keep all that follows."""
    if text.isascii():
        return text, len(text)
    try:
        return text, len(text.encode())
    except UnicodeEncodeError:
        data = text.encode("utf-8", "backslashreplace")
        return data.decode(), len(data)


def pieces_of(string):
    """Cuts a text into pieces that are at most PIECE bytes of UTF-8, after a line where one ends."""
    limit = PIECE if string.isascii() else PIECE_CHARACTERS
    start, end = 0, len(string)
    while start < end:
        stop = start + limit
        if stop < end:
            stop = string.rfind("\n", start, stop) + 1 or stop
        yield string[start:stop]
        start = stop
