"""Which passwords are accepted: long ones that nobody would try first."""

import re
from functools import cache
from importlib.resources import files
from typing import Final
from unicodedata import normalize

MIN_LENGTH: Final = 12
MIN_KNOWN_LENGTH: Final = 4
"""Shorter names are part of too many words to be forbidden."""
MIN_DIFFERENT: Final = 5
RUNS: Final = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm")
"""Characters in the order of the alphabet or of a keyboard."""

_REPEATED: Final = re.compile(r"(.+?)\1+", re.DOTALL)
_AROUND_LETTERS: Final = re.compile(r"\A[\W\d_]+|[\W\d_]+\Z")


def check_password(password: str, *, email: str = "", organization: str = "") -> str:
    """The password. ValueError if it is too short, common, or contains the e-mail address or the organization."""
    if len(password) < MIN_LENGTH:
        raise ValueError(f"must have at least {MIN_LENGTH} characters")
    plain = normalize("NFKC", password).casefold()
    if _is_common(plain):
        raise ValueError("is too easy to guess: it is a common password, a repetition or a run of characters")
    names = (email, email.partition("@")[0], organization)
    if any(len(_letters(name)) >= MIN_KNOWN_LENGTH and _letters(name) in _letters(plain) for name in names):
        raise ValueError("must not contain the e-mail address or the name of the organization")
    return password


def _is_common(plain: str) -> bool:
    repeated = _REPEATED.fullmatch(plain)
    return (
        repeated is not None
        or len(set(plain)) < MIN_DIFFERENT
        or plain in common_passwords()
        or _AROUND_LETTERS.sub("", plain) in common_passwords()
        or any(plain in run * 9 or plain in run[::-1] * 9 for run in RUNS)
    )


def _letters(text: str) -> str:
    """The text's letters and digits in lower case."""
    return "".join(filter(str.isalnum, normalize("NFKC", text).casefold()))


@cache
def common_passwords() -> frozenset[str]:
    """Common passwords in lower case."""
    lines = files(__package__ or "").joinpath("common_passwords.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(lines[1:])
