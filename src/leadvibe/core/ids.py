"""Opaque ids: a prefix that names the kind over a time-ordered UUIDv7."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid7().hex}"


def new_uuid() -> UUID:
    """The id of a row that exists by the million: 16 bytes in the table, `prefix_hex` on the wire."""
    return uuid7()


def show(prefix: str, value: UUID) -> str:
    return f"{prefix}_{value.hex}"


def read(prefix: str, text: str) -> UUID | None:
    """The UUID behind `prefix_hex`; None for anything else."""
    head, _, digits = text.partition("_")
    if head != prefix or len(digits) != 32:
        return None
    try:
        return UUID(hex=digits)
    except ValueError:
        return None
