"""The inbox of accepted, unprocessed events: how an event is encoded, and which route it takes."""

from typing import Final, NamedTuple
from uuid import UUID
from zlib import crc32

import msgspec

from leadvibe.core.ids import new_uuid
from leadvibe.identity.aliases import Identifier

INBOX_CHANNEL: Final = "leadvibe_inbox"
"""The NOTIFY channel that idle workers listen on."""

ROUTES: Final = 256
"""Enough routes to share the inbox among many workers, and few enough for a claim to look at all of them."""


class AcceptedEvent(msgspec.Struct, array_like=True, frozen=True):
    """An event that passed validation. Its lead is not resolved yet."""

    event_type: str
    lead_id: str | None
    aliases: list[Identifier]
    """The strongest first."""
    timestamp: int | None
    """Microseconds since the epoch; None means the time of receipt."""
    metadata: bytes
    """A JSON object."""
    channel: str | None
    idempotency_key: str | None
    skip_triggers: bool = False


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(AcceptedEvent)


def encode(event: AcceptedEvent) -> bytes:
    return _encoder.encode(event)


def decode(body: bytes) -> AcceptedEvent:
    return _decoder.decode(body)


def route_of(unit_id: str, event: AcceptedEvent) -> int:
    """The route of an event. A lead's events mostly share one, so that two workers seldom compete for a lead."""
    if event.lead_id is not None:
        name = f"{unit_id}\0{event.lead_id}"
    else:
        strongest = event.aliases[0]
        name = f"{unit_id}\0{strongest.kind}\0{strongest.value}"
    return crc32(name.encode()) % ROUTES


class InboxRow(NamedTuple):
    """A new row of the inbox. The first fields are its columns."""

    route: int
    event_id: UUID
    unit_id: str
    body: bytes
    key: str | None = None
    """The idempotency key of the event."""


INBOX_COLUMNS: Final = InboxRow._fields[:4]


def row_of(unit_id: str, event: AcceptedEvent) -> InboxRow:
    return InboxRow(route_of(unit_id, event), new_uuid(), unit_id, encode(event), event.idempotency_key)
