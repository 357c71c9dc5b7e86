"""The log of events, newest first, and the types of events an OU has seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, func, or_, select, tuple_

from leadvibe.core.http import Page
from leadvibe.core.repository import Repository
from leadvibe.core.scope import Scope
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


@dataclass(frozen=True, slots=True)
class EventPage:
    items: list[EventRow]
    total: int
    end: Cursor | None
    """Where the next page goes on, if there is one."""

    @classmethod
    def of(cls, scope: Scope, rows: Sequence[Row[*tuple[Any, ...]]], page: Page, total: int) -> "EventPage":
        """From rows of the COLUMNS, one more than the page holds if there is another page."""
        items = [EventRow(scope.org_id, scope.unit_id, *row) for row in rows[: page.limit]]
        end = Cursor(items[-1].occurred_at, items[-1].event_id) if len(rows) > page.limit else None
        return cls(items, total, end)


class EventRepository(Repository[Event]):
    model = Event

    async def list(self, where: EventFilter, page: Page) -> EventPage:
        confined = and_(Event.unit_id == self.scope.unit_id, *conditions(where, datetime.now(UTC)))
        query = select(*COLUMNS).where(confined).order_by(Event.occurred_at.desc(), Event.event_id.desc())
        if where.start is not None:
            query = query.where(tuple_(Event.occurred_at, Event.event_id) < where.start)
        else:
            query = query.offset(page.offset)
        rows = (await self.session.execute(query.limit(page.limit + 1))).all()
        total = await self.session.scalar(select(func.count()).select_from(Event).where(confined))
        return EventPage.of(self.scope, rows, page, total or 0)

    async def channels(self) -> Sequence[str]:
        """Those that any event came by."""
        query = select(Event.channel).where(Event.unit_id == self.scope.unit_id).distinct()
        return sorted(channel for channel in await self.session.scalars(query) if channel is not None)


def conditions(where: EventFilter, now: datetime) -> Iterator[ColumnElement[bool]]:
    if where.lead_id is not None:
        yield Event.lead_id == where.lead_id
    if where.event_type is not None:
        yield Event.event_type == where.event_type
    if where.channel is not None and where.channel != "all":
        yield Event.channel == where.channel.strip().lower()
    since, until = where.range.window(now)
    if since is not None:
        yield Event.occurred_at >= since
    if until is not None:
        yield Event.occurred_at < until
    if where.metadata:
        terms = [Event.attributes[key].astext == value for key, value in where.metadata]
        yield and_(*terms) if where.logic == "and" else or_(*terms)


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
        query = select(func.jsonb_object_keys(Event.attributes)).where(
            Event.unit_id == self.scope.unit_id, Event.event_type == event_type
        )
        return EventProperties(event_type, sorted(await self.session.scalars(query.distinct())))
