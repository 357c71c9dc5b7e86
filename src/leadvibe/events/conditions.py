"""SQL conditions on events that several queries share."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import array

from leadvibe.core.ranges import TimeSpan
from leadvibe.core.scope import Scope
from leadvibe.events.models import Event, EventType
from leadvibe.events.schemas import EventFilter


def hidden_types(scope: Scope) -> Select[str]:
    """The event types that are hidden in the OU."""
    return select(EventType.event_type).where(EventType.unit_id == scope.unit_id, EventType.hidden)


def within(window: TimeSpan) -> Iterator[ColumnElement[bool]]:
    """The event occurred in this window of time."""
    if window.since is not None:
        yield Event.occurred_at >= window.since
    if window.until is not None:
        yield Event.occurred_at < window.until


def conditions(where: EventFilter, now: datetime) -> Iterator[ColumnElement[bool]]:
    """The event passes the filter. `after` is not part of it."""
    yield from of_lead(where)
    yield from within(where.range.window(now))
    yield from matches(where, Event)


def of_lead(where: EventFilter) -> Iterator[ColumnElement[bool]]:
    if where.lead_id is not None:
        yield Event.lead_id == where.lead_id


def older_than_cursor(where: EventFilter) -> Iterator[ColumnElement[bool]]:
    if where.start is not None:
        yield tuple_(Event.occurred_at, Event.event_id) < where.start


def matches(where: EventFilter, event: type[Event]) -> Iterator[ColumnElement[bool]]:
    """The event passes the filters by type, channel and metadata."""
    if where.event_type is not None:
        yield event.event_type == where.event_type
    if where.on_channel is not None:
        yield event.channel == where.on_channel
    if where.metadata:
        terms = [event.attributes[key].astext == value for key, value in where.metadata]
        yield and_(*terms) if where.logic == "and" else or_(*terms)


def indexed_matches(scope: Scope, where: EventFilter) -> Iterator[ColumnElement[bool]]:
    """The same as `matches`, by the index on keys. Two texts may share a key, so the texts are compared too."""
    keys = func.event_keys(Event.unit_id, Event.event_type, Event.channel, Event.attributes)
    for operator, texts in where.keys if where.lead_id is None else ():
        yield keys.op(operator)(array([func.key_of(scope.unit_id, text) for text in texts]))
    yield from matches(where, Event)
