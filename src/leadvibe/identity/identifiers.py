"""The gate for identifiers: all ids, keys and alias values that clients send pass through it."""

import re
import unicodedata
from functools import cache
from typing import Annotated, Final

from pydantic import AfterValidator

from leadvibe.config import settings

MAX_ID_LENGTH: Final = 200
"""Characters of an id or a key."""
MAX_RAW_LENGTH: Final = 1_000
"""Characters before normalization, which takes time in the square of the length of a run of combining characters."""

PLACEHOLDERS: Final = frozenset(
    {
        "undefined",
        "null",
        "none",
        "nil",
        "nan",
        "n/a",
        "na",
        "#n/a",
        "unknown",
        "anonymous",
        "0",
        "-",
        "true",
        "false",
        "[object object]",
        "00000000-0000-0000-0000-000000000000",
        "00000000000000000000000000000000",
    }
)
"""Texts that programs and spreadsheets write where they have no value; in lower case."""

_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf"})


class PlaceholderIdentifier(ValueError):
    """The value stands for a missing value, such as `undefined`."""

    def __init__(self, value: str) -> None:
        super().__init__(f"{value!r} is a placeholder, not an identifier")


def clean_identifier(value: str) -> str:
    """Remove surrounding white space and return the text in Unicode's form NFC.

    Raises ValueError if the text is empty, or if it contains control characters or invisible characters.
    """
    text = value.strip()
    if not text.isascii():
        _check_length(text, MAX_RAW_LENGTH)
        if _SURROGATE.search(text):
            raise ValueError("must be valid Unicode")
        text = unicodedata.normalize("NFC", text)
    if not text:
        raise ValueError("must not be empty")
    if not text.isprintable():
        for character in text:
            if unicodedata.category(character) in _HIDDEN_CATEGORIES:
                raise ValueError(f"must not contain control or invisible characters (U+{ord(character):04X})")
    return text


def refuse_placeholder(text: str) -> str:
    """Return the clean text. Raises PlaceholderIdentifier if it stands for a missing value."""
    if text.lower() in _placeholders():
        raise PlaceholderIdentifier(text)
    return text


@cache
def _placeholders() -> frozenset[str]:
    return PLACEHOLDERS | {text.strip().lower() for text in settings().placeholder_identifiers.split(",")} - {""}


def read_id(value: str) -> str:
    """The clean form of an idempotency key or an order id."""
    return refuse_placeholder(_check_length(clean_identifier(value)))


def read_lead_reference(value: str) -> str:
    """The clean form of the id of an existing lead. It can be part of a URL path."""
    text = _check_length(clean_identifier(value))
    if "/" in text or text in {".", ".."}:
        raise ValueError("must not contain '/', and must not be '.' or '..'")
    return text


def read_new_lead_id(value: str) -> str:
    """The clean form of a lead id that may create a lead. Clients choose lead ids."""
    return read_lead_reference(refuse_placeholder(clean_identifier(value)))


def _check_length(text: str, limit: int = MAX_ID_LENGTH) -> str:
    if len(text) > limit:
        raise ValueError(f"must be at most {limit} characters")
    return text


LeadId = Annotated[str, AfterValidator(read_lead_reference)]
"""The id of an existing lead. A placeholder is allowed, because older versions created such leads."""

NewLeadId = Annotated[str, AfterValidator(read_new_lead_id)]
"""A lead id that may create a lead."""

OrderId = Annotated[str, AfterValidator(read_id)]
