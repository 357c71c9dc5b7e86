"""What was accepted and waits: how an event is written into the inbox and read back."""

from typing import Final
from zlib import crc32

import msgspec

from leadvibe.identity.aliases import Identifier

INBOX_CHANNEL: Final = "leadvibe_inbox"
"""Where workers that have nothing to do listen: notified with the first flush after a quiet moment."""

ROUTES: Final = 256
"""Enough to share the inbox among many workers, few enough to look at every one in a claim."""


class AcceptedEvent(msgspec.Struct, array_like=True, frozen=True):
    """An event as it was accepted: valid, not yet anybody's."""

    event_type: str
    lead_id: str | None
    aliases: list[Identifier]
    """The strongest first."""
    timestamp: int | None
    """Microseconds since the epoch; None means when it was received."""
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
    """The lane an event waits in: one lead's events mostly share one, so that two workers don't meet over a lead."""
    if event.lead_id is not None:
        name = f"{unit_id}\0{event.lead_id}"
    else:
        strongest = event.aliases[0]
        name = f"{unit_id}\0{strongest.kind}\0{strongest.value}"
    return crc32(name.encode()) % ROUTES
