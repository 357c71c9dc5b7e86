"""Past scores: the score at an instant, also as it was known at another instant, and the score hour by hour."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select

from leadvibe.core.http.problems import Invalid
from leadvibe.core.instants import FIRST
from leadvibe.identity.leads import survivor_of
from leadvibe.leads.models import Lead
from leadvibe.scores.models import ScoreEntry, ScoreReset
from leadvibe.scores.repository import Rulesets, Score, ScoreRepository

HOUR = timedelta(hours=1)
MAX_PERIOD = timedelta(days=366)
"""A year's chart has some 8,800 points."""
MAX_DAYS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class PastScore(Score):
    at: datetime
    known_at: datetime


@dataclass(frozen=True, slots=True)
class HistoryPoint:
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
    snapshots: list[HistoryPoint]
    period: Period
    merged_from: str | None

    @property
    def count(self) -> int:
        return len(self.snapshots)


class ScoreHistoryRepository(ScoreRepository):
    """Computes past scores as sums over the ledger."""

    async def score_at(
        self, lead_id: str, ruleset_id: str | None, at: datetime | None, known_at: datetime | None
    ) -> PastScore:
        """The score at `at`, from the entries that were current at `known_at`; both default to now."""
        now = await self._now()
        instants = {"at": at or now, "known_at": known_at or now}
        for name, instant in instants.items():
            if instant > now:
                raise Invalid.field(name, "must not be in the future")
        lead_id, merged_from = await survivor_of(self.session, self.scope, lead_id)
        rulesets, totals = await self.rulesets(), await self._totals_at(lead_id, **instants)
        ruleset = rulesets.highest(totals) if ruleset_id is None else rulesets.by_id(ruleset_id)
        score = rulesets.score(lead_id, totals, ruleset)
        return PastScore(
            score.lead_id, score.score, score.ruleset_id, score.engagement_scores, merged_from=merged_from, **instants
        )

    async def _totals_at(self, lead_id: str, at: datetime, known_at: datetime) -> dict[str, int]:
        current_then = and_(
            ScoreEntry.recorded_at <= known_at,
            or_(ScoreEntry.superseded_at.is_(None), ScoreEntry.superseded_at > known_at),
        )
        query = (
            select(ScoreEntry.ruleset_id, func.sum(ScoreEntry.applied))
            .where(self._of_lead(lead_id), ScoreEntry.occurred_at <= at, current_then)
            .group_by(ScoreEntry.ruleset_id)
        )
        return {ruleset_id: int(total) for ruleset_id, total in await self.session.execute(query)}

    async def history(
        self, lead_id: str, ruleset_id: str | None, days: int, start: datetime | None, end: datetime | None
    ) -> ScoreHistory:
        """The total at every full hour and at every reset, from the lead's first entry on.

        `end` defaults to now, and `start` to `days` before `end`. Without a `ruleset_id`, in the primary ruleset.
        """
        now = await self._now()
        end = min(end or now, now)
        start = start or _days_before(end, days)
        if start > end:
            raise Invalid.field("start_date", "must not be after end_date")
        if end - start > MAX_PERIOD:
            raise Invalid.field("start_date", f"must not be more than {MAX_PERIOD.days} days before end_date")
        period = Period(start, end)
        lead_id, merged_from = await survivor_of(self.session, self.scope, lead_id)
        ruleset_id = _id_or_primary(await self.rulesets(), ruleset_id)
        if ruleset_id is None:
            return ScoreHistory(lead_id, [], period, merged_from)
        began = await self._first_instant(lead_id)
        instants = sorted({*_full_hours(max(start, began), end), *await self._resets(lead_id, period)})
        totals = _totals_at_instants(await self._changes(lead_id, ruleset_id, end), instants)
        points = [HistoryPoint(at, total, ruleset_id) for at, total in totals]
        return ScoreHistory(lead_id, points, period, merged_from)

    async def _changes(self, lead_id: str, ruleset_id: str, until: datetime) -> list[tuple[datetime, int]]:
        """Each current entry's instant and applied points, in order of time."""
        query = (
            select(ScoreEntry.occurred_at, ScoreEntry.applied)
            .where(self._of_lead(lead_id), ScoreEntry.ruleset_id == ruleset_id, ScoreEntry.superseded_at.is_(None))
            .where(ScoreEntry.occurred_at <= until)
            .order_by(ScoreEntry.occurred_at)
        )
        return [(at, applied) for at, applied in await self.session.execute(query)]

    async def _first_instant(self, lead_id: str) -> datetime:
        """When the lead was created, or the time of its first entry if that is earlier."""
        first = select(func.min(ScoreEntry.occurred_at)).where(self._of_lead(lead_id)).scalar_subquery()
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

    def _of_lead(self, lead_id: str) -> ColumnElement[bool]:
        return and_(ScoreEntry.unit_id == self.scope.unit_id, ScoreEntry.lead_id == lead_id)

    async def _now(self) -> datetime:
        return (await self.session.scalars(select(func.now()))).one()


def _days_before(end: datetime, days: int) -> datetime:
    """Not before the first instant that the server accepts."""
    return end - min(timedelta(days=min(days, MAX_DAYS)), end - FIRST)


def _id_or_primary(rulesets: Rulesets, ruleset_id: str | None) -> str | None:
    if ruleset_id is not None:
        return rulesets.by_id(ruleset_id).ruleset_id
    return rulesets.primary and rulesets.primary.ruleset_id


def _full_hours(start: datetime, end: datetime) -> Iterator[datetime]:
    hour = start.replace(minute=0, second=0, microsecond=0)
    hour = hour if hour == start else hour + HOUR
    while hour <= end:
        yield hour
        hour += HOUR


def _totals_at_instants(
    changes: list[tuple[datetime, int]], instants: list[datetime]
) -> Iterator[tuple[datetime, int]]:
    """The total at each instant, with the changes of that very instant. Both lists are in order of time."""
    total, position = 0, 0
    for instant in instants:
        while position < len(changes) and changes[position][0] <= instant:
            total += changes[position][1]
            position += 1
        yield instant, total
