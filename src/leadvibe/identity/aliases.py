"""The identifiers of a lead, and their normalization: two spellings of one identifier have one normalized form."""

import re
from typing import Final, Literal

import msgspec

AliasKind = Literal["external_id", "email", "phone", "social", "cookie"]

STRENGTH: Final[tuple[AliasKind, ...]] = ("external_id", "email", "phone", "social", "cookie")
"""Alias kinds, the strongest first: the order in which an event's aliases are looked up."""

MAX_VALUE_LENGTH: Final = 500
"""Characters. Longer values don't fit into an index."""

_NOT_A_DIGIT = re.compile(r"[^0-9]+")


class Identifier(msgspec.Struct, array_like=True, frozen=True):
    """One identifier of a lead, as an event names it."""

    kind: AliasKind
    value: str
    """The normalized form, used for comparison."""
    raw_value: str
    """The value as sent."""


def normalize(kind: AliasKind, raw_value: str) -> str:
    """Return the normalized form of an identifier.

    E-mails are lower-cased, phone numbers are `+` and their digits, other values are stripped of white space.
    Raises ValueError if the normalized form is empty, or if the value can't be stored.
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
        raise ValueError("must contain a digit" if kind == "phone" else "must not be empty")
    if len(value) > MAX_VALUE_LENGTH or len(raw_value) > MAX_VALUE_LENGTH:
        raise ValueError(f"must be at most {MAX_VALUE_LENGTH} characters")
    return value
