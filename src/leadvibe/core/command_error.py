"""The error that ends a command with a message for the person who ran it."""

from typing import ClassVar


class CommandError(Exception):
    """Ends the command with its message instead of a stack trace."""

    exit_code: ClassVar[int] = 1
