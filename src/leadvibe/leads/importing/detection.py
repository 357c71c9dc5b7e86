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


MAX_LENGTH: Final = 320
"""Longer values are not identifiers. Matching them would take time that grows with the square of their length."""
KIND_ROWS: Final = 100
"""Rows that show the kind of a column. More rows show whether its values repeat."""
MAX_REPEATED_SHARE: Final = 0.2
"""Of the values. A column with more repeats doesn't identify the person: it may be the address of a contact's owner."""


def detect_identifiers(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[AliasKind, list[str]]:
    """The headers of the columns of each kind, judged by some rows of the file."""
    columns: dict[AliasKind, list[str]] = {kind: [] for kind in HEADER_PATTERNS}
    for index, header in enumerate(headers):
        kind = _kind(header, _values(rows[:KIND_ROWS], index))
        if kind is not None and _hardly_repeat(_values(rows, index)):
            columns[kind].append(header)
    return columns


def _values(rows: Sequence[Sequence[str]], index: int) -> list[str]:
    return [row[index].strip() for row in rows if index < len(row) and row[index].strip()]


def _hardly_repeat(values: Sequence[str]) -> bool:
    """Whether nearly all values are different. In a short file, one value may occur twice."""
    repeats = len(values) - len({value.lower() for value in values})
    return repeats <= max(1, MAX_REPEATED_SHARE * len(values))


def _kind(header: str, values: Sequence[str]) -> AliasKind | None:
    words = " ".join(_WORD_BREAK.split(header[:MAX_LENGTH])).strip().lower()
    for kind, pattern in HEADER_PATTERNS.items():
        if kind in UNMISTAKABLE and values and _most_are(values, UNMISTAKABLE[kind]):
            return kind
        if pattern.search(words) and (not values or _most_are(values, PLAUSIBLE.get(kind, bool))):
            return kind
    return None


def _most_are(values: Sequence[str], is_kind: IsKind) -> bool:
    return 2 * sum(1 for value in values if len(value) <= MAX_LENGTH and is_kind(value)) > len(values)
