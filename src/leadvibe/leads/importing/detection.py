"""Guesses which columns of a CSV identify people, from what they are called and from what is in them."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from leadvibe.identity.aliases import AliasKind

_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")

NAMES: Final[dict[AliasKind, re.Pattern[str]]] = {
    "email": re.compile(r"\b(e ?mails?|mail)\b"),
    "phone": re.compile(r"\b(phone|telephone|mobile|cell|cellphone|tel|msisdn)\b"),
    "social": re.compile(r"\b(linked ?in|twitter|facebook|instagram|git ?hub|xing|tik ?tok|social)\b"),
    "cookie": re.compile(r"\b(cookie|visitor id|anonymous id)\b"),
    "external_id": re.compile(
        r"^((external|customer|contact|lead|user|person|record|crm|salesforce|hubspot|client) )?(id|uuid|guid)$"
    ),
}
"""What a column of each kind is called, word by word and in lower case; in the order in which they are tried."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"[+(]?[0-9][0-9 ()./-]{5,24}")
_SOCIAL = re.compile(r"(https?://)?(www\.)?(linkedin|twitter|x|facebook|instagram|github|xing|tiktok)\.com/.+")
_COOKIE = re.compile(r"GA[0-9]\.[0-9]\.[0-9]+\.[0-9]+")

PLAUSIBLE: Final[dict[AliasKind, Callable[[str], object]]] = {"email": _EMAIL.fullmatch, "phone": _PHONE.fullmatch}
"""What a column that is called so has to hold: `mail opened` is no address."""

TELLING: Final[dict[AliasKind, Callable[[str], object]]] = {
    "email": _EMAIL.fullmatch,
    # Digits and dashes alone may be a date or a number of anything.
    "phone": lambda value: value[0] in "+(" and _PHONE.fullmatch(value),
    "social": _SOCIAL.fullmatch,
    "cookie": _COOKIE.fullmatch,
}
"""What is such an identifier whatever the column is called."""


def detect(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[AliasKind, list[str]]:
    """The columns of each kind, judged by these of the rows."""
    found: dict[AliasKind, list[str]] = {kind: [] for kind in NAMES}
    for place, header in enumerate(headers):
        values = [row[place].strip() for row in rows if place < len(row) and row[place].strip()]
        kind = _kind(header, values)
        if kind is not None:
            found[kind].append(header)
    return found


def _kind(header: str, values: Sequence[str]) -> AliasKind | None:
    words = " ".join(_WORD_BREAK.split(header)).strip().lower()
    for kind, name in NAMES.items():
        if kind in TELLING and values and _mostly(values, TELLING[kind]):
            return kind
        if name.search(words) and (not values or _mostly(values, PLAUSIBLE.get(kind, bool))):
            return kind
    return None


def _mostly(values: Sequence[str], is_one: Callable[[str], object]) -> bool:
    return 2 * sum(1 for value in values if is_one(value)) > len(values)
