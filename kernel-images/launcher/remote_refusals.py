"""Why something is not done, for remote_agent.py: `fields` is the answer."""


class Refusal(Exception):
    def __init__(self, **fields):
        super().__init__(str(fields))
        self.fields = fields


class FileRefused(Refusal):
    """What is in the way of a file or folder; see remote_paths.py."""

    def is_errno(self, number):
        return self.fields.get("errno") == number


class Refused(Refusal):
    """What cannot be done, with a word for programs."""

    def __init__(self, code, message):
        super().__init__(refused=code, error=str(message))


class Cancelled(Exception):
    """Nobody wants it any more."""
