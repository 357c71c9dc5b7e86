"""Scores of the past: as they stood at an instant, as they were believed at another, and hour by hour."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from sqlalchemy import ColumnElement, and_, func, or_, select

from leadvibe.core.http.problems import Invalid
from leadvibe.core.instants import FIRST
from leadvibe.identity.leads import require_lead
from leadvibe.leads.models import Lead
from leadvibe.scores.models import ScoreEntry, ScoreReset
from leadvibe.scores.repository import Rulesets, Score, ScoreRepository

HOUR = timedelta(hours=1)
LONGEST = timedelta(days=366)
"""Hours enough for a year's chart."""


@dataclass(frozen=True, slots=True)
class PastScore(Score):
    at: datetime
    known_at: datetime


@dataclass(frozen=True, slots=True)
class Snapshot:
    snapshot_at: datetime
    score: int
    ruleset_id: str


@dataclass(frozen=True, slots=True)
class Period:
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class ScoreHistory:
    lead_id: str
    snapshots: list[Snapshot]
    period: Period

    @property
    def count(self) -> int:
        return len(self.snapshots)


class PastScores(ScoreRepository):
    """Sums over the ledger."""

    isolation: ClassVar = "REPEATABLE READ"

    async def then(
        self, lead_id: str, ruleset_id: str | None, at: datetime | None, known_at: datetime | None
    ) -> PastScore:
        """The score as it stood at an instant, as it was believed at another; each now unless it is said."""
        now = await self._now()
        instants = {"at": at or now, "known_at": known_at or now}
        for name, instant in instants.items():
            if instant > now:
                raise Invalid.field(name, "must not be in the future")
        await require_lead(self.session, self.scope, lead_id)
        rulesets, totals = await self.rulesets(), await self._totals_then(lead_id, **instants)
        chosen = rulesets.highest(totals) if ruleset_id is None else rulesets.of_id(ruleset_id)
        score = rulesets.score(lead_id, totals, chosen)
        return PastScore(score.lead_id, score.score, score.ruleset_id, score.engagement_scores, **instants)

    async def _totals_then(self, lead_id: str, at: datetime, known_at: datetime) -> dict[str, int]:
        believed = and_(
            ScoreEntry.recorded_at <= known_at,
            or_(ScoreEntry.superseded_at.is_(None), ScoreEntry.superseded_at > known_at),
        )
        query = (
            select(ScoreEntry.ruleset_id, func.sum(ScoreEntry.applied))
            .where(self._of(lead_id), ScoreEntry.occurred_at <= at, believed)
            .group_by(ScoreEntry.ruleset_id)
        )
        return {ruleset_id: int(total) for ruleset_id, total in await self.session.execute(query)}

    async def history(
        self, lead_id: str, ruleset_id: str | None, days: int, start: datetime | None, end: datetime | None
    ) -> ScoreHistory:
        """The total at the top of every hour, and at every reset, since the lead began."""
        now = await self._now()
        end = min(end or now, now)
        start = start or _before(end, days)
        if start > end:
            raise Invalid.field("start_date", "must not be after end_date")
        if end - start > LONGEST:
            raise Invalid.field("start_date", f"must not be more than {LONGEST.days} days before end_date")
        period = Period(start, end)
        await require_lead(self.session, self.scope, lead_id)
        ruleset = _chosen(await self.rulesets(), ruleset_id)
        if ruleset is None:
            return ScoreHistory(lead_id, [], period)
        began = await self._beginning(lead_id)
        instants = sorted({*_hours(max(start, began), end), *await self._resets(lead_id, period)})
        totals = _running(await self._moves(lead_id, ruleset, end), instants)
        return ScoreHistory(lead_id, [Snapshot(at, total, ruleset) for at, total in totals], period)

    async def _moves(self, lead_id: str, ruleset_id: str, until: datetime) -> list[tuple[datetime, int]]:
        query = (
            select(ScoreEntry.occurred_at, ScoreEntry.applied)
            .where(self._of(lead_id), ScoreEntry.ruleset_id == ruleset_id, ScoreEntry.superseded_at.is_(None))
            .where(ScoreEntry.occurred_at <= until)
            .order_by(ScoreEntry.occurred_at)
        )
        return [(at, applied) for at, applied in await self.session.execute(query)]

    async def _beginning(self, lead_id: str) -> datetime:
        first = select(func.min(ScoreEntry.occurred_at)).where(self._of(lead_id)).scalar_subquery()
        query = select(func.least(Lead.created_at, first)).where(
            Lead.unit_id == self.scope.unit_id, Lead.lead_id == lead_id
        )
        return (await self.session.scalars(query)).one()

    async def _resets(self, lead_id: str, period: Period) -> list[datetime]:
        query = select(ScoreReset.reset_at).where(
            ScoreReset.unit_id == self.scope.unit_id,
            ScoreReset.lead_id == lead_id,
            ScoreReset.reset_at.between(period.start, period.end),
        )
        return list(await self.session.scalars(query))

    def _of(self, lead_id: str) -> ColumnElement[bool]:
        return and_(ScoreEntry.unit_id == self.scope.unit_id, ScoreEntry.lead_id == lead_id)

    async def _now(self) -> datetime:
        return (await self.session.scalars(select(func.now()))).one()


def _before(end: datetime, days: int) -> datetime:
    """So many days earlier, or as early as there is a calendar."""
    return end - min(timedelta(days=days), end - FIRST)


def _chosen(rulesets: Rulesets, ruleset_id: str | None) -> str | None:
    if ruleset_id is not None:
        return rulesets.of_id(ruleset_id).ruleset_id
    return rulesets.primary and rulesets.primary.ruleset_id


def _hours(start: datetime, end: datetime) -> Iterator[datetime]:
    hour = start.replace(minute=0, second=0, microsecond=0)
    hour = hour if hour == start else hour + HOUR
    while hour <= end:
        yield hour
        hour += HOUR


def _running(moves: list[tuple[datetime, int]], instants: list[datetime]) -> Iterator[tuple[datetime, int]]:
    """The total at each instant, what happened at that very instant included."""
    total, position = 0, 0
    for instant in instants:
        while position < len(moves) and moves[position][0] <= instant:
            total += moves[position][1]
            position += 1
        yield instant, total
