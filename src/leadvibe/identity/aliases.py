"""The identifiers of a lead, and their normalization: two spellings of one identifier have one normalized form."""

from typing import Final, Literal

import msgspec

from leadvibe.identity.emails import check_raw_email, normalize_email
from leadvibe.identity.identifiers import clean_identifier, refuse_placeholder
from leadvibe.identity.phones import normalize_phone

AliasKind = Literal["external_id", "email", "phone", "social", "cookie"]

STRENGTH: Final[tuple[AliasKind, ...]] = ("external_id", "email", "phone", "social", "cookie")
"""Alias kinds, the strongest first: the order in which an event's aliases are looked up."""

MAX_VALUE_LENGTH: Final = 500
"""Characters. Longer values don't fit into an index."""


class Identifier(msgspec.Struct, array_like=True, frozen=True):
    """One identifier of a lead, as an event names it."""

    kind: AliasKind
    value: str
    """The normalized form, used for comparison."""
    raw_value: str
    """The value as sent."""


def normalize(kind: AliasKind, raw_value: str, phone_region: str | None = None) -> str:
    """Return the normalized form of an identifier.

    `phone_region` is the OU's country of phone numbers without a country code.
    Raises PlaceholderIdentifier for values such as `undefined`, and ValueError for other values that are no identifier.
    """
    if len(raw_value) > MAX_VALUE_LENGTH:
        raise ValueError(f"must be at most {MAX_VALUE_LENGTH} characters")
    text = refuse_placeholder(clean_identifier(raw_value))
    match kind:
        case "email":
            if not raw_value.isascii():
                check_raw_email(raw_value.strip())
            value = normalize_email(text)
        case "phone":
            value = normalize_phone(text, phone_region)
        case _:
            value = text
    if len(value) > MAX_VALUE_LENGTH:
        raise ValueError(f"must be at most {MAX_VALUE_LENGTH} characters")
    return value
