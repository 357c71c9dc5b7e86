"""Lists an OU's processed events, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, UnaryExpression, and_, func, select
from sqlalchemy.orm import aliased

from leadvibe.core.database.repository import Repository
from leadvibe.core.http.paging import Page
from leadvibe.core.scope import Scope
from leadvibe.counts.repository import CountRepository
from leadvibe.events.conditions import indexed_matches, matches, of_lead, older_than_cursor, within
from leadvibe.events.models import Event
from leadvibe.events.schemas import Cursor, EventFilter
from leadvibe.identity.leads import following_merge


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


COLUMNS: Final = (
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
"""The columns of an EventRow, after `org_id` and `unit_id`."""

MAX_SCANNED_EVENTS: Final = 20_000
"""How many of the newest events are scanned for a filter that many events may match."""
MAX_COUNTED_EVENTS: Final = 100_000
"""Up to this many events in the OU, a filtered list is always counted."""


@dataclass(frozen=True, slots=True)
class EventPage:
    items: list[EventRow]
    total: int | None
    """None if it was not requested and counting takes long."""
    end: Cursor | None
    """Where the next page starts, if there is one."""
    merged_from: str | None
    """The lead that was asked for, if it was merged into the one whose events these are."""

    @classmethod
    def of(
        cls,
        scope: Scope,
        rows: Sequence[Row[*tuple[Any, ...]]],
        page: Page,
        total: int | None,
        merged_from: str | None,
    ) -> "EventPage":
        """From rows of the COLUMNS. There is one row more than the page has if another page follows."""
        items = [EventRow(scope.org_id, scope.unit_id, *row) for row in rows[: page.limit]]
        end = Cursor(items[-1].occurred_at, items[-1].event_id) if len(rows) > page.limit else None
        return cls(items, total, end, merged_from)


class EventRepository(Repository[Event]):
    model = Event

    async def list(self, where: EventFilter, page: Page, *, counted: bool) -> EventPage:
        """A page of events, newest first. With `counted`, the total is counted even if that takes long."""
        where, merged_from = await following_merge(self.session, self.scope, where)
        offset = page.offset if where.start is None else 0
        by_filter = where.keys and where.lead_id is None
        queries = [self._newest_scanned, self._by_keys] if by_filter else [self._in_order]
        rows: Sequence[Row[*tuple[Any, ...]]] = ()
        for query in queries:
            rows = (await self.session.execute(query(where, offset + page.limit + 1).offset(offset))).all()
            if len(rows) > page.limit:
                break
        return EventPage.of(self.scope, rows, page, await self._total(where, counted=counted), merged_from)

    def _in_order(self, where: EventFilter, limit: int) -> Select[*tuple[Any, ...]]:
        """In the order of an index."""
        query = select(*COLUMNS).where(*self._confined(where), *older_than_cursor(where), *matches(where, Event))
        return query.order_by(*_newest_first(Event)).limit(limit)

    def _newest_scanned(self, where: EventFilter, limit: int) -> Select[*tuple[Any, ...]]:
        """Scan the newest events only. This finds common events fast, however many there are."""
        confined = select(Event).where(*self._confined(where), *older_than_cursor(where))
        newest = aliased(Event, confined.order_by(*_newest_first(Event)).limit(MAX_SCANNED_EVENTS).subquery())
        columns = [getattr(newest, column.key) for column in COLUMNS]
        return select(*columns).where(*matches(where, newest)).order_by(*_newest_first(newest)).limit(limit)

    def _by_keys(self, where: EventFilter, limit: int) -> Select[*tuple[Any, ...]]:
        """Use the index on keys. This finds rare events fast."""
        confined = (*self._confined(where), *older_than_cursor(where))
        matching = select(Event.occurred_at, Event.event_id).where(*confined, *indexed_matches(self.scope, where))
        # Materialized, so that the planner doesn't scan all events in order until it has found enough.
        found = matching.cte().prefix_with("MATERIALIZED")
        first = select(found).order_by(found.c.occurred_at.desc(), found.c.event_id.desc()).limit(limit).subquery()
        same = and_(Event.unit_id == self.scope.unit_id, Event.event_id == first.c.event_id)
        return select(*COLUMNS).join(first, same).order_by(*_newest_first(Event)).limit(limit)

    async def _total(self, where: EventFilter, *, counted: bool) -> int | None:
        counts = CountRepository(self.session, self.scope)
        if not where.narrows:
            return await counts.events(where.event_type)
        if not counted and where.lead_id is None and await counts.events() > MAX_COUNTED_EVENTS:
            return None
        matching = (*self._confined(where), *indexed_matches(self.scope, where))
        return await self.session.scalar(select(func.count()).select_from(Event).where(*matching)) or 0

    def _confined(self, where: EventFilter) -> Sequence[ColumnElement[bool]]:
        """The conditions that the indexes by time and by lead serve."""
        return [Event.unit_id == self.scope.unit_id, *of_lead(where), *within(where.range.window(datetime.now(UTC)))]

    async def channels(self) -> Sequence[str]:
        """The channels of all events."""
        query = select(Event.channel).where(Event.unit_id == self.scope.unit_id).distinct()
        return sorted(channel for channel in await self.session.scalars(query) if channel is not None)


def _newest_first(event: type[Event]) -> tuple[UnaryExpression[Any], ...]:
    return event.occurred_at.desc(), event.event_id.desc()
