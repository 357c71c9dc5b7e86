"""The stream frames of scoring: `new_event`, `score_update` and `surge`."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated

import msgspec

from leadvibe.core.ids import show
from leadvibe.core.instants import from_micros
from leadvibe.core.stream.frames import Frame
from leadvibe.engine import Event, SurgeEvent
from leadvibe.pipeline.project import LeadState, Projection


class NewEventData(msgspec.Struct, frozen=True):
    event_id: str
    lead_id: str
    event_type: str
    timestamp: Annotated[datetime, msgspec.Meta(tz=True)]


class NewEventFrame(msgspec.Struct, frozen=True, tag_field="type", tag="new_event"):
    """An event was processed."""

    event: NewEventData


class RulesetScoreChange(msgspec.Struct, frozen=True):
    ruleset_id: str
    delta: int
    score: int


class ScoreUpdateFrame(msgspec.Struct, frozen=True, tag_field="type", tag="score_update"):
    """A lead's total changed in at least one ruleset; `delta` and `score` are the primary ruleset's."""

    lead_id: str
    delta: int
    score: int
    rulesets: list[RulesetScoreChange]


class SurgeData(msgspec.Struct, frozen=True):
    event_id: str
    lead_id: str
    channel: str | None
    event_count: int
    multiplier: float
    started_at: Annotated[datetime, msgspec.Meta(tz=True)]
    timestamp: Annotated[datetime, msgspec.Meta(tz=True)]
    account_id: None = None


class SurgeFrame(msgspec.Struct, frozen=True, tag_field="type", tag="surge"):
    """An event raised the multiplier of its lead's surge; `account_id` is reserved, and null."""

    surge: SurgeData


_json = msgspec.json.Encoder()


def new_event_frame(lead_id: str, fact: Event) -> Frame:
    event = NewEventData(show("ev", fact.id), lead_id, fact.type, from_micros(fact.at))
    return Frame("new_event", _json.encode(NewEventFrame(event)))


def score_frames(state: LeadState, projection: Projection) -> list[Frame]:
    """One `score_update` frame if any total changed, else none."""
    if not projection.moved:
        return []
    before, after = projection.moved.get(state.plans.primary or "", (0, 0))
    changes = [RulesetScoreChange(ruleset_id, b - a, b) for ruleset_id, (a, b) in projection.moved.items()]
    score = state.plans.overall(projection.outcome.standing.totals)
    frame = ScoreUpdateFrame(state.lead.lead_id, after - before, score, changes)
    return [Frame("score_update", _json.encode(frame))]


def surge_frames(state: LeadState, projection: Projection, events: Sequence[Event]) -> list[Frame]:
    """One `surge` frame for each band that a surge entered because of these new events."""
    return [_surge_frame(state.lead.lead_id, surge) for surge in _entered(projection, events)]


def _surge_frame(lead_id: str, surge: SurgeEvent) -> Frame:
    data = SurgeData(
        show("ev", surge.event_id),
        lead_id,
        surge.channel or None,
        surge.surge_count,
        surge.multiplier / 1000,
        from_micros(surge.start),
        from_micros(surge.at),
    )
    return Frame("surge", _json.encode(SurgeFrame(data)))


def _entered(projection: Projection, events: Sequence[Event]) -> Iterator[SurgeEvent]:
    """The surge events to publish.

    A replay also writes those of bands that their surge had entered before: another event enters the band now. And it
    may write those of earlier surges, to which no new event belongs.
    """
    starts = sorted({surge.start for surge in projection.outcome.surge_events})
    entered_before = Counter(
        (bisect_right(starts, surge.at), surge.multiplier) for surge in projection.ended_surge_events
    )
    for surge in projection.surge_events:
        band = bisect_right(starts, surge.start), surge.multiplier
        if entered_before[band]:
            entered_before[band] -= 1
        elif any(surge.start <= event.at <= surge.at for event in events):
            yield surge
