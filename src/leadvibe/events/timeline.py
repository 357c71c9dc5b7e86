"""The timeline of a lead, newest first: its events, and the rows of `events.system_rows`."""

from typing import ClassVar

from sqlalchemy import Subquery, func, select, tuple_, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.http.paging import Page
from leadvibe.core.scope import Scope
from leadvibe.events.models import Event
from leadvibe.events.repository import COLUMNS, EventPage
from leadvibe.events.schemas import LeadEventFilter
from leadvibe.events.system_rows import Rows, adjustments_of, notes_of, steps_of
from leadvibe.identity.leads import survivor_of


class Timeline:
    isolation: ClassVar = "REPEATABLE READ"

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def of_lead(self, lead_id: str, where: LeadEventFilter, page: Page) -> EventPage:
        lead_id, merged_from = await survivor_of(self.session, self.scope, lead_id)
        offset = page.offset if where.start is None else 0
        parts = [rows(self.scope, lead_id).subquery() for rows in (events_of, notes_of, adjustments_of, steps_of)]
        # Each part has a limit of its own, so that it can use its own index.
        newest = union_all(*(_newest(part, where).limit(offset + page.limit + 1) for part in parts))
        query = _newest(newest.subquery(), where).offset(offset).limit(page.limit + 1)
        rows = (await self.session.execute(query)).all()
        matching = union_all(*(_of_type(part, where.event_type) for part in parts)).subquery()
        total = await self.session.scalar(select(func.count()).select_from(matching))
        return EventPage.of(self.scope, rows, page, total or 0, merged_from)


def events_of(scope: Scope, lead_id: str) -> Rows:
    return select(*COLUMNS).where(Event.unit_id == scope.unit_id, Event.lead_id == lead_id)


def _newest(part: Subquery, where: LeadEventFilter) -> Rows:
    query = _of_type(part, where.event_type).order_by(part.c.occurred_at.desc(), part.c.event_id.desc())
    if where.start is not None:
        query = query.where(tuple_(part.c.occurred_at, part.c.event_id) < where.start)
    return query


def _of_type(part: Subquery, event_type: str | None) -> Rows:
    return select(part) if event_type is None else select(part).where(part.c.event_type == event_type)
