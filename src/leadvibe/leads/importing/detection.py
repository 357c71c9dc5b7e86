"""Guesses which columns of a CSV contain identifiers of leads, from the headers and the values."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from leadvibe.identity.aliases import AliasKind

_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")

HEADER_PATTERNS: Final[dict[AliasKind, re.Pattern[str]]] = {
    "email": re.compile(r"\b(e ?mails?|mail)\b"),
    "phone": re.compile(r"\b(phone|telephone|mobile|cell|cellphone|tel|msisdn)\b"),
    "social": re.compile(r"\b(linked ?in|twitter|facebook|instagram|git ?hub|xing|tik ?tok|social)\b"),
    "cookie": re.compile(r"\b(cookie|visitor id|anonymous id)\b"),
    "external_id": re.compile(
        r"^((external|customer|contact|lead|user|person|record|crm|salesforce|hubspot|client) )?(id|uuid|guid)$"
    ),
}
"""Match a header that was split into lower-case words. The kinds are tried in this order."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"[+(]?[0-9][0-9 ()./-]{5,24}")
_SOCIAL = re.compile(r"(https?://)?(www\.)?(linkedin|twitter|x|facebook|instagram|github|xing|tiktok)\.com/.+")
_COOKIE = re.compile(r"GA[0-9]\.[0-9]\.[0-9]+\.[0-9]+")

IsKind = Callable[[str], object]
"""Returns something true if a value can be an identifier of a kind."""

PLAUSIBLE: Final[dict[AliasKind, IsKind]] = {"email": _EMAIL.fullmatch, "phone": _PHONE.fullmatch}
"""What the values must look like if the header matches: a column `mail opened` contains no addresses."""

UNMISTAKABLE: Final[dict[AliasKind, IsKind]] = {
    "email": _EMAIL.fullmatch,
    # Digits and dashes alone may also be a date or some other number.
    "phone": lambda value: value[0] in "+(" and _PHONE.fullmatch(value),
    "social": _SOCIAL.fullmatch,
    "cookie": _COOKIE.fullmatch,
}
"""Values that identify the kind of a column, whatever its header is."""


def detect_identifiers(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[AliasKind, list[str]]:
    """The headers of the columns of each kind, judged by some rows of the file."""
    columns: dict[AliasKind, list[str]] = {kind: [] for kind in HEADER_PATTERNS}
    for index, header in enumerate(headers):
        values = [row[index].strip() for row in rows if index < len(row) and row[index].strip()]
        kind = _kind(header, values)
        if kind is not None:
            columns[kind].append(header)
    return columns


def _kind(header: str, values: Sequence[str]) -> AliasKind | None:
    words = " ".join(_WORD_BREAK.split(header)).strip().lower()
    for kind, pattern in HEADER_PATTERNS.items():
        if kind in UNMISTAKABLE and values and _most_are(values, UNMISTAKABLE[kind]):
            return kind
        if pattern.search(words) and (not values or _most_are(values, PLAUSIBLE.get(kind, bool))):
            return kind
    return None


def _most_are(values: Sequence[str], is_kind: IsKind) -> bool:
    return 2 * sum(1 for value in values if is_kind(value)) > len(values)
