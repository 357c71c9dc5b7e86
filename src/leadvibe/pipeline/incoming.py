"""Converts the events of a batch to facts of the engine and to rows of the event log."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from leadvibe.core.instants import from_micros, micros
from leadvibe.engine import Event, order
from leadvibe.identity.locks import LeadKey
from leadvibe.identity.resolution import UnresolvedEvent
from leadvibe.ingest.claim import ClaimedEvent
from leadvibe.ingest.inbox import AcceptedEvent
from leadvibe.pipeline.load import Origins, with_origin_reset
from leadvibe.pipeline.project import LeadState, Projection
from leadvibe.pipeline.save import EventRow, KeyRow, Writes

_metadata = msgspec.json.Decoder(dict[str, Any])


class IncomingEvent(NamedTuple):
    """A claimed event with its decoded body."""

    claimed: ClaimedEvent
    accepted: AcceptedEvent

    @property
    def unresolved(self) -> UnresolvedEvent:
        """The part of the event that identifies its lead."""
        claimed, accepted = self
        return UnresolvedEvent(
            claimed.unit_id,
            claimed.event_id,
            claimed.received_at,
            accepted.lead_id,
            accepted.aliases,
            accepted.idempotency_key,
        )


class NewEvent(NamedTuple):
    """An event that counts, with its lead resolved."""

    incoming: IncomingEvent
    original_lead_id: str | None
    """The lead that the event named, if that one was merged into another."""
    fact: Event


def new_events(
    lead: LeadKey, incoming: Iterable[tuple[IncomingEvent, str | None]], version: int, origins: Origins
) -> list[NewEvent]:
    """A lead's new events in canonical order. `version` is the configuration version that scores them."""
    events = [NewEvent(event, original, _fact(lead, event, original, version, origins)) for event, original in incoming]
    return sorted(events, key=lambda new: order(new.fact))


def _fact(lead: LeadKey, incoming: IncomingEvent, original: str | None, version: int, origins: Origins) -> Event:
    claimed, accepted = incoming
    received_at = micros(claimed.received_at)
    fact = Event(
        id=claimed.event_id,
        type=accepted.event_type,
        # A timestamp in the future is clamped to the time of receipt.
        at=received_at if accepted.timestamp is None else min(accepted.timestamp, received_at),
        digest=sha256(accepted.metadata).digest(),
        key=accepted.idempotency_key or "",
        version=version,
        metadata=_metadata.decode(accepted.metadata),
        channel=accepted.channel or "",
    )
    return with_origin_reset(fact, origins.get((*lead, original or lead[1]))) if origins else fact


def add_event_rows(
    state: LeadState, events: Sequence[NewEvent], projection: Projection, at: datetime, writes: Writes
) -> None:
    """Add the rows of new events, scored at this instant, to the writes."""
    unit_id, lead_id = state.key
    verdicts = {verdict.event_id: verdict for verdict in projection.outcome.verdicts}
    for (claimed, accepted), original_lead_id, fact in events:
        sent, verdict = accepted.timestamp, verdicts[fact.id]
        writes.events.append(
            EventRow(
                unit_id,
                fact.id,
                lead_id,
                fact.type,
                from_micros(fact.at),
                from_micros(sent) if sent is not None and sent > fact.at else None,
                claimed.received_at,
                at,
                accepted.channel,
                accepted.metadata.decode(),
                fact.digest,
                accepted.idempotency_key,
                fact.version,
                verdict.suppression_reason,
                verdict.session_id,
                original_lead_id,
            )
        )
        if accepted.idempotency_key is not None:
            writes.keys.append(KeyRow(unit_id, accepted.idempotency_key, lead_id))
