"""Why the program can't start, in words for the person who started it."""

from typing import ClassVar


class CannotStart(Exception):
    """Ends the command with its message instead of a stack trace."""

    exit_code: ClassVar[int] = 1
