"""The log of events, newest first, and the types of events an OU has seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, UnaryExpression, and_, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import aliased

from leadvibe.core.database.repository import Repository
from leadvibe.core.http.paging import Page
from leadvibe.core.ranges import TimeSpan
from leadvibe.core.scope import Scope
from leadvibe.counts.repository import CountRepository
from leadvibe.events.models import Event, EventType
from leadvibe.events.schemas import Cursor, EventFilter


@dataclass(frozen=True, slots=True)
class EventRow:
    org_id: str
    unit_id: str
    event_id: UUID
    lead_id: str
    event_type: str
    occurred_at: datetime
    received_at: datetime
    channel: str | None
    metadata: dict[str, Any]
    suppression_reason: str | None
    original_lead_id: str | None


COLUMNS = (
    Event.event_id,
    Event.lead_id,
    Event.event_type,
    Event.occurred_at,
    Event.received_at,
    Event.channel,
    Event.attributes,
    Event.suppression_reason,
    Event.original_lead_id,
)


NEWEST = (Event.occurred_at, Event.event_id)

WALK = 20_000
"""Of the newest events that are looked through for what most of them may have."""
FEW = 100_000
"""Events of an OU among which a filter's are counted unasked."""


@dataclass(frozen=True, slots=True)
class EventPage:
    items: list[EventRow]
    total: int | None
    """None where nobody asked and counting takes long."""
    end: Cursor | None
    """Where the next page goes on, if there is one."""

    @classmethod
    def of(cls, scope: Scope, rows: Sequence[Row[*tuple[Any, ...]]], page: Page, total: int | None) -> "EventPage":
        """From rows of the COLUMNS, one more than the page holds if there is another page."""
        items = [EventRow(scope.org_id, scope.unit_id, *row) for row in rows[: page.limit]]
        end = Cursor(items[-1].occurred_at, items[-1].event_id) if len(rows) > page.limit else None
        return cls(items, total, end)


class EventRepository(Repository[Event]):
    model = Event

    async def list(self, where: EventFilter, page: Page, *, counted: bool) -> EventPage:
        """Newest first; `counted`: the total is worth its time."""
        skipped = page.offset if where.start is None else 0
        looks = [self._walked, self._keyed] if where.keys and where.lead_id is None else [self._straight]
        rows: Sequence[Row[*tuple[Any, ...]]] = ()
        for look in looks:
            query = look(where, skipped + page.limit + 1).offset(skipped)
            rows = (await self.session.execute(query)).all()
            if len(rows) > page.limit:
                break
        return EventPage.of(self.scope, rows, page, await self._total(where, counted=counted))

    def _straight(self, where: EventFilter, most: int) -> Select[*tuple[Any, ...]]:
        """As an index has them."""
        query = select(*COLUMNS).where(*self._confined(where), *_before(where), *_matches(where, Event))
        return query.order_by(*_newest(Event)).limit(most)

    def _walked(self, where: EventFilter, most: int) -> Select[*tuple[Any, ...]]:
        """Among the newest: what is common is found there, however many there are."""
        newest = select(Event).where(*self._confined(where), *_before(where)).order_by(*_newest(Event)).limit(WALK)
        walked = aliased(Event, newest.subquery())
        columns = [getattr(walked, column.key) for column in COLUMNS]
        return select(*columns).where(*_matches(where, walked)).order_by(*_newest(walked)).limit(most)

    def _keyed(self, where: EventFilter, most: int) -> Select[*tuple[Any, ...]]:
        """By the keys of what it must have: what is rare is found there."""
        matching = select(*NEWEST).where(*self._confined(where), *_before(where), *_filtered(self.scope, where))
        # Materialized, lest the planner walks all events in order until it has met enough.
        found = matching.cte().prefix_with("MATERIALIZED")
        first = select(found).order_by(found.c.occurred_at.desc(), found.c.event_id.desc()).limit(most).subquery()
        mine = and_(Event.unit_id == self.scope.unit_id, Event.event_id == first.c.event_id)
        return select(*COLUMNS).join(first, mine).order_by(*_newest(Event)).limit(most)

    async def _total(self, where: EventFilter, *, counted: bool) -> int | None:
        counts = CountRepository(self.session, self.scope)
        if not where.narrows:
            return await counts.events(where.event_type)
        if not counted and where.lead_id is None and await counts.events() > FEW:
            return None
        query = select(func.count()).select_from(Event).where(*self._confined(where), *_filtered(self.scope, where))
        return await self.session.scalar(query) or 0

    def _confined(self, where: EventFilter) -> Sequence[ColumnElement[bool]]:
        """What the indexes by time and lead serve."""
        return [Event.unit_id == self.scope.unit_id, *_of_lead(where), *within(where.range.window(datetime.now(UTC)))]

    async def channels(self) -> Sequence[str]:
        """Those that any event came by."""
        query = select(Event.channel).where(Event.unit_id == self.scope.unit_id).distinct()
        return sorted(channel for channel in await self.session.scalars(query) if channel is not None)


def conditions(where: EventFilter, now: datetime) -> Iterator[ColumnElement[bool]]:
    """All that a filter asks of an event."""
    yield from _of_lead(where)
    yield from within(where.range.window(now))
    yield from _matches(where, Event)


def _of_lead(where: EventFilter) -> Iterator[ColumnElement[bool]]:
    if where.lead_id is not None:
        yield Event.lead_id == where.lead_id


def _newest(event: type[Event]) -> tuple[UnaryExpression[Any], ...]:
    return event.occurred_at.desc(), event.event_id.desc()


def _before(where: EventFilter) -> Iterator[ColumnElement[bool]]:
    if where.start is not None:
        yield tuple_(*NEWEST) < where.start


def _matches(where: EventFilter, event: type[Event]) -> Iterator[ColumnElement[bool]]:
    if where.event_type is not None:
        yield event.event_type == where.event_type
    if where.on_channel is not None:
        yield event.channel == where.on_channel
    if where.metadata:
        terms = [event.attributes[key].astext == value for key, value in where.metadata]
        yield and_(*terms) if where.logic == "and" else or_(*terms)


def _filtered(scope: Scope, where: EventFilter) -> Iterator[ColumnElement[bool]]:
    """What the index by keys serves, compared as text too: two words may have one key."""
    keys = func.event_keys(Event.unit_id, Event.event_type, Event.channel, Event.attributes)
    for operator, words in where.keys if where.lead_id is None else ():
        wanted = array([func.key_of(scope.unit_id, word) for word in words])
        yield keys.op(operator)(wanted)
    yield from _matches(where, Event)


def within(window: TimeSpan) -> Iterator[ColumnElement[bool]]:
    """That an event occurred then."""
    if window.since is not None:
        yield Event.occurred_at >= window.since
    if window.until is not None:
        yield Event.occurred_at < window.until


@dataclass(frozen=True, slots=True)
class EventProperties:
    event_type: str
    properties: Sequence[str]


class EventTypeRepository(Repository[EventType]):
    model = EventType

    async def visible(self) -> list[str]:
        query = (
            select(EventType.event_type)
            .where(EventType.unit_id == self.scope.unit_id, EventType.hidden.is_(False))
            .order_by(EventType.event_type)
        )
        return list(await self.session.scalars(query))

    async def properties(self, event_type: str) -> EventProperties:
        """The keys that any of its events has in its metadata."""
        await self.get(event_type)
        return EventProperties(event_type, sorted(await self.session.scalars(self._keys_of(event_type))))

    def _keys_of(self, event_type: str) -> Select[str]:
        of_type = _filtered(self.scope, EventFilter(event_type=event_type))
        keys = select(func.jsonb_object_keys(Event.attributes)).where(Event.unit_id == self.scope.unit_id, *of_type)
        return keys.distinct()
