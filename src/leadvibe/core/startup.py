"""Why the program can't start, in words for the person who started it."""


class CannotStart(Exception):
    """Ends the command with its message instead of a stack trace."""
