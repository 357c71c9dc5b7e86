"""The response bodies for failed events."""

from typing import Any

from leadvibe.core.http.schemas import EventId, Read, Time


class AcceptedAliasRead(Read):
    alias_kind: str
    raw_value: str


class AcceptedRead(Read):
    """The event as it was accepted."""

    event_type: str
    lead_id: str | None
    aliases: list[AcceptedAliasRead]
    timestamp: Time | None
    metadata: dict[str, Any]
    idempotency_key: str | None
    skip_triggers: bool


class FailedEventRead(Read):
    """An event that could not be processed, with its error. `event` is null if it can't be decoded."""

    id: EventId
    event_id: EventId
    unit_id: str
    received_at: Time
    failed_at: Time
    error: str
    event: AcceptedRead | None


class Retried(Read):
    message: str
    event_id: EventId
