"""Events that arrive: what each is to the engine, as a row of the log, and on the stream."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from leadvibe.core.ids import show
from leadvibe.core.instants import from_micros, micros
from leadvibe.core.stream import Frame
from leadvibe.engine import Event, order
from leadvibe.scoring.evolving import Evolution, LeadState
from leadvibe.scoring.identify import LeadKey, OwnedEvent
from leadvibe.scoring.load import Origins, taken_in
from leadvibe.scoring.save import Writes

_metadata = msgspec.json.Decoder(dict[str, Any])


class Arrival(NamedTuple):
    owned: OwnedEvent
    fact: Event


def arrivals(lead: LeadKey, events: Iterable[OwnedEvent], version: int, origins: Origins) -> list[Arrival]:
    """A lead's events as facts in canonical order, to be judged by a version of the configuration."""
    found = [Arrival(owned, _fact(lead, owned, version, origins)) for owned in events]
    return sorted(found, key=lambda arrival: order(arrival.fact))


def _fact(lead: LeadKey, owned: OwnedEvent, version: int, origins: Origins) -> Event:
    waiting, event, original = owned
    received_at = micros(waiting.received_at)
    fact = Event(
        id=waiting.event_id,
        type=event.event_type,
        # What claims to come from the future is taken as happening when it was received.
        at=received_at if event.timestamp is None else min(event.timestamp, received_at),
        digest=sha256(event.metadata).digest(),
        key=event.idempotency_key or "",
        version=version,
        metadata=_metadata.decode(event.metadata),
        channel=event.channel or "",
    )
    return taken_in(fact, origins.get((*lead, original or lead[1]))) if origins else fact


def log(state: LeadState, arrived: Sequence[Arrival], evolution: Evolution, at: datetime, writes: Writes) -> None:
    """Add the events' rows to the writes."""
    unit_id, lead_id = state.key
    marks = {mark.event_id: mark for mark in evolution.outcome.marks}
    for arrival in arrived:
        (waiting, received, original), fact = arrival
        sent, mark = received.timestamp, marks[fact.id]
        writes.events.append(
            (
                unit_id,
                fact.id,
                lead_id,
                fact.type,
                from_micros(fact.at),
                from_micros(sent) if sent is not None and sent > fact.at else None,
                waiting.received_at,
                at,
                received.channel,
                received.metadata.decode(),
                fact.digest,
                received.idempotency_key,
                fact.version,
                mark.suppression_reason,
                mark.session_id,
                original,
            )
        )
        if received.idempotency_key is not None:
            writes.keys.append((unit_id, received.idempotency_key, lead_id))


class NewEvent(msgspec.Struct, frozen=True):
    event_id: str
    lead_id: str
    event_type: str
    timestamp: datetime


class EventFrame(msgspec.Struct, frozen=True, tag_field="type", tag="new_event"):
    event: NewEvent


class RulesetMove(msgspec.Struct, frozen=True):
    ruleset_id: str
    delta: int
    score: int


class ScoreFrame(msgspec.Struct, frozen=True, tag_field="type", tag="score_update"):
    lead_id: str
    delta: int
    score: int
    rulesets: list[RulesetMove]


_json = msgspec.json.Encoder()


def arrival_frame(lead_id: str, fact: Event) -> Frame:
    """`new_event`, as `/stream` shows it."""
    event = NewEvent(show("ev", fact.id), lead_id, fact.type, from_micros(fact.at))
    return Frame("new_event", _json.encode(EventFrame(event)))


def score_frames(state: LeadState, evolution: Evolution) -> list[Frame]:
    """`score_update` where a total moved: the overall score and what each ruleset did."""
    if not evolution.moved:
        return []
    before, after = evolution.moved.get(state.plans.primary or "", (0, 0))
    moves = [RulesetMove(ruleset_id, b - a, b) for ruleset_id, (a, b) in evolution.moved.items()]
    score = state.plans.overall(evolution.outcome.standing.totals)
    return [Frame("score_update", _json.encode(ScoreFrame(state.lead.lead_id, after - before, score, moves)))]
