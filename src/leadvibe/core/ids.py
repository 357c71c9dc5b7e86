"""Opaque ids: a prefix for the kind of object and a time-ordered UUIDv7."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid7().hex}"


def new_uuid() -> UUID:
    """An id for tables with millions of rows: 16 bytes in the table, `prefix_hex` in the API."""
    return uuid7()


def show(prefix: str, value: UUID) -> str:
    return f"{prefix}_{value.hex}"


def read(prefix: str, text: str) -> UUID | None:
    """The UUID of `prefix_hex`; None if the text has another form."""
    head, _, digits = text.partition("_")
    if head != prefix or len(digits) != 32:
        return None
    try:
        return UUID(hex=digits)
    except ValueError:
        return None
