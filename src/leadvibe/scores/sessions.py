"""Reads a lead's sessions, derived from its events: each event names the first event of its session."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, UnaryExpression, and_, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from leadvibe.core.http.paging import Page
from leadvibe.events.models import Event
from leadvibe.identity.leads import survivor_of
from leadvibe.scores.models import ScoreEntry
from leadvibe.scores.repository import RulesetNow, ScoreRepository
from leadvibe.units.models import OrgUnit

ORDER = (Event.occurred_at, Event.event_type, Event.digest)
"""The canonical order of events. Events that are equal in all of these have the same values in a session."""
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
    merged_from: str | None


class SessionRepository(ScoreRepository):
    isolation: ClassVar = "REPEATABLE READ"

    async def of_lead(self, lead_id: str, page: Page) -> SessionPage:
        """The latest session first, each with its points in the primary ruleset."""
        lead_id, merged_from = await survivor_of(self.session, self.scope, lead_id)
        ruleset = (await self.rulesets()).primary
        query = self._sessions(lead_id, ruleset, await self._timeout()).limit(page.limit).offset(page.offset)
        rows = await self.session.execute(query)
        total = await self.session.scalar(
            select(func.count(Event.session_id.distinct())).where(self._in_sessions(lead_id))
        )
        return SessionPage([LeadSession(*row) for row in rows], total or 0, merged_from)

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
            _value_of(Event.event_type, FIRST),
            _value_of(Event.event_type, LAST),
            _value_of(Event.channel, FIRST),
            func.coalesce(func.sum(ScoreEntry.applied), 0),
            end >= func.now() - timeout,
        )
        return (
            select(*columns)
            .select_from(Event)
            .outerjoin(ScoreEntry, entry)
            .where(self._in_sessions(lead_id))
            .group_by(Event.session_id, Event.lead_id)
            .order_by(end.desc(), Event.session_id.desc())
        )

    def _in_sessions(self, lead_id: str) -> ColumnElement[bool]:
        return and_(Event.unit_id == self.scope.unit_id, Event.lead_id == lead_id, Event.session_id.is_not(None))

    async def _timeout(self) -> timedelta:
        query = select(OrgUnit.session_timeout_minutes).where(OrgUnit.unit_id == self.scope.unit_id)
        return timedelta(minutes=(await self.session.scalars(query)).one())


def _value_of(value: SQLColumnExpression[Any], order: Sequence[UnaryExpression[Any]]) -> ColumnElement[Any]:
    """The value in the first row of each group, in the given order."""
    return func.array_agg(aggregate_order_by(value, *order))[1]
