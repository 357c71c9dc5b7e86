"""When two spellings of an identifier are the same: how aliases are compared."""

import re
from typing import Final

from leadvibe.events.inbox import AliasKind

LONGEST: Final = 500
"""Characters of a value: it has to fit into an index."""

_NOT_A_DIGIT = re.compile(r"[^0-9]+")


def normalise(kind: AliasKind, raw_value: str) -> str:
    """What is compared: e-mail in lower case, a phone's digits behind a `+`, anything else without outer spaces.

    ValueError where nothing is left, or where it is no text that can be stored.
    """
    if "\x00" in raw_value:
        raise ValueError("must not contain NUL characters")
    match kind:
        case "email":
            value = raw_value.strip().lower()
        case "phone":
            digits = _NOT_A_DIGIT.sub("", raw_value)
            value = f"+{digits}" if digits else ""
        case _:
            value = raw_value.strip()
    if not value:
        raise ValueError(f"must not be empty as {kind}")
    if len(value) > LONGEST or len(raw_value) > LONGEST:
        raise ValueError(f"must be at most {LONGEST} characters")
    return value
