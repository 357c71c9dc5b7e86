"""Checks e-mail addresses and gives them the form in which they are compared."""

import re
import string
import unicodedata
from functools import lru_cache
from typing import Final

from email_validator import EmailNotValidError, validate_email

CACHE_ENTRIES: Final = 8_192

_PLAIN: Final = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,}")
MAX_PLAIN_LENGTH: Final = 64
"""Characters. In an address of this length, no part is too long."""

_LOWER_ASCII: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_SUFFIX: Final = ".com"
"""Added to the domain for validation: reserved domains such as x.test and localhost are valid in data."""


def normalize_email(text: str) -> str:
    """The address in ASCII lower case, with its domain in IDNA and without a final dot.

    Raises ValueError if the text is not exactly one address.
    """
    lower = text.translate(_LOWER_ASCII)
    if len(lower) <= MAX_PLAIN_LENGTH and _PLAIN.fullmatch(lower):
        return lower
    return _normalize(text)


def check_raw_email(raw_value: str) -> None:
    """Raises ValueError if a character looks like an ASCII letter but isn't one.

    Unicode's form NFC replaces such characters, for example U+212A (KELVIN SIGN) by K.
    """
    for character in raw_value:
        if not character.isascii() and unicodedata.normalize("NFC", character).isascii():
            raise ValueError(f"must not contain U+{ord(character):04X}, which looks like an ASCII character")


@lru_cache(CACHE_ENTRIES)
def _normalize(text: str) -> str:
    if "<" in text or ">" in text:
        raise ValueError("must be the address alone, without a name and angle brackets, like ada@example.com")
    if ";" in text or "," in text or text.count("@") > 1:
        raise ValueError("must be one e-mail address; send each address as an alias of its own")
    try:
        address = validate_email(
            text.removesuffix(".") + _SUFFIX, check_deliverability=False, globally_deliverable=False
        )
    except EmailNotValidError:
        raise ValueError("must be an e-mail address, like ada@example.com") from None
    local_part = address.local_part.translate(_LOWER_ASCII)
    return f"{local_part}@{address.ascii_domain.translate(_LOWER_ASCII).removesuffix(_SUFFIX)}"
