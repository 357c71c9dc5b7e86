"""The stream frames of scoring: `new_event` and `score_update`."""

from datetime import datetime
from typing import Annotated

import msgspec

from leadvibe.core.ids import show
from leadvibe.core.instants import from_micros
from leadvibe.core.stream.frames import Frame
from leadvibe.engine import Event
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
