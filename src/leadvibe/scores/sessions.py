"""A lead's sessions, derived from its events: each event knows the first event of its session."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, UnaryExpression, and_, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from leadvibe.core.http.paging import Page
from leadvibe.events.models import Event
from leadvibe.identity.leads import require_lead
from leadvibe.scores.models import ScoreEntry
from leadvibe.scores.repository import RulesetNow, ScoreRepository
from leadvibe.units.models import OrgUnit

ORDER = (Event.occurred_at, Event.event_type, Event.digest)
"""The canonical order; events that are alike in these show the same, whichever is first."""
FIRST = [column.asc() for column in ORDER]
LAST = [column.desc() for column in ORDER]


@dataclass(frozen=True, slots=True)
class LeadSession:
    session_id: UUID
    lead_id: str
    start: datetime
    end: datetime
    event_count: int
    entry: str
    exit: str
    source: str | None
    total_points: int
    active: bool

    @property
    def duration_seconds(self) -> float:
        return (self.end - self.start).total_seconds()

    @property
    def status(self) -> str:
        return "active" if self.active else "ended"


@dataclass(frozen=True, slots=True)
class SessionPage:
    items: Sequence[LeadSession]
    total: int


class SessionRepository(ScoreRepository):
    isolation: ClassVar = "REPEATABLE READ"

    async def of_lead(self, lead_id: str, page: Page) -> SessionPage:
        """The last one first, each with its points in the ruleset that is the lead's score."""
        await require_lead(self.session, self.scope, lead_id)
        ruleset = (await self.rulesets()).primary
        query = self._sessions(lead_id, ruleset, await self._timeout()).limit(page.limit).offset(page.offset)
        rows = await self.session.execute(query)
        total = await self.session.scalar(select(func.count(Event.session_id.distinct())).where(self._visits(lead_id)))
        return SessionPage([LeadSession(*row) for row in rows], total or 0)

    def _sessions(self, lead_id: str, ruleset: RulesetNow | None, timeout: timedelta) -> Select[*tuple[Any, ...]]:
        end = func.max(Event.occurred_at)
        entry = and_(
            ScoreEntry.unit_id == Event.unit_id,
            ScoreEntry.lead_id == Event.lead_id,
            ScoreEntry.event_id == Event.event_id,
            ScoreEntry.ruleset_id == (ruleset and ruleset.ruleset_id),
            ScoreEntry.superseded_at.is_(None),
        )
        columns = (
            Event.session_id,
            Event.lead_id,
            func.min(Event.occurred_at),
            end,
            func.count(),
            _at(Event.event_type, FIRST),
            _at(Event.event_type, LAST),
            _at(Event.channel, FIRST),
            func.coalesce(func.sum(ScoreEntry.applied), 0),
            end >= func.now() - timeout,
        )
        return (
            select(*columns)
            .select_from(Event)
            .outerjoin(ScoreEntry, entry)
            .where(self._visits(lead_id))
            .group_by(Event.session_id, Event.lead_id)
            .order_by(end.desc(), Event.session_id.desc())
        )

    def _visits(self, lead_id: str) -> ColumnElement[bool]:
        return and_(Event.unit_id == self.scope.unit_id, Event.lead_id == lead_id, Event.session_id.is_not(None))

    async def _timeout(self) -> timedelta:
        query = select(OrgUnit.session_timeout_minutes).where(OrgUnit.unit_id == self.scope.unit_id)
        return timedelta(minutes=(await self.session.scalars(query)).one())


def _at(value: SQLColumnExpression[Any], end: Sequence[UnaryExpression[Any]]) -> ColumnElement[Any]:
    """Of several, that of the first or the last event."""
    return func.array_agg(aggregate_order_by(value, *end))[1]
