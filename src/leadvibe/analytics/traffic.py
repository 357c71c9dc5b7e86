"""Counts the visible events of an OU by type and by day, in UTC, and the leads that have them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar

from sqlalchemy import ColumnElement, Date, cast, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.ranges import Range, TimeSpan
from leadvibe.core.scope import Scope
from leadvibe.counts.repository import CountRepository
from leadvibe.events.conditions import hidden_types, within
from leadvibe.events.models import Event

DAY = cast(func.timezone(literal_column("'UTC'"), Event.occurred_at), Date)


@dataclass(frozen=True, slots=True)
class DailyCount:
    date: date
    count: int


@dataclass(frozen=True, slots=True)
class TypeCount:
    event_type: str
    count: int


@dataclass(frozen=True, slots=True)
class Totals:
    events: int
    leads: int


@dataclass(frozen=True, slots=True)
class Traffic:
    totals: Totals
    by_type: dict[str, int]
    daily_counts: Sequence[DailyCount]


@dataclass(frozen=True, slots=True)
class Statistics:
    total_events: int
    total_leads: int
    events_today: int
    events_this_week: int
    last_24h: Totals
    top_events: Sequence[TypeCount]


class TrafficRepository:
    isolation: ClassVar = "REPEATABLE READ"  # its queries must agree with each other

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def traffic(self, range_: Range, event_type: str | None) -> Traffic:
        """Types by frequency, most frequent first; days newest first."""
        visible = self._visible(range_.window(datetime.now(UTC)), await self._hidden_types())
        if event_type is not None:
            visible.append(Event.event_type == event_type)
        by_type: dict[str, int] = {}
        by_day: dict[date, int] = {}
        counted = select(Event.event_type, DAY, func.count()).where(*visible).group_by(Event.event_type, DAY)
        for type_, day, events in await self.session.execute(counted):
            by_type[type_] = by_type.get(type_, 0) + events
            by_day[day] = by_day.get(day, 0) + events
        return Traffic(
            Totals(sum(by_type.values()), await self._count_leads(visible)),
            {each.event_type: each.count for each in _most_frequent(by_type)},
            [DailyCount(day, by_day[day]) for day in sorted(by_day, reverse=True)],
        )

    async def statistics(self, range_: Range, max_types: int) -> Statistics:
        """All counts are independent of the range, except for the most frequent types."""
        now = datetime.now(UTC)
        window = range_.window(now)
        counts = await CountRepository(self.session, self.scope).events_by_type()
        hidden = await self._hidden_types()
        all_time = {type_: events for type_, events in counts.items() if type_ not in hidden}
        by_type = all_time if window == TimeSpan() else await self._count_by_type(self._visible(window, hidden))
        today = Range.TODAY.window(now)
        last_day = self._visible(Range.LAST_24H.window(now), hidden)
        return Statistics(
            total_events=sum(all_time.values()),
            total_leads=await self._count_leads(self._visible(TimeSpan(), hidden)),
            events_today=await self._count_events(self._visible(today, hidden)),
            events_this_week=await self._count_events(self._visible(_week(today), hidden)),
            last_24h=Totals(await self._count_events(last_day), await self._count_leads(last_day)),
            top_events=_most_frequent(by_type)[:max_types],
        )

    def _visible(self, window: TimeSpan, hidden: set[str]) -> list[ColumnElement[bool]]:
        not_hidden = [Event.event_type.not_in(hidden)] if hidden else []
        return [Event.unit_id == self.scope.unit_id, *within(window), *not_hidden]

    async def _hidden_types(self) -> set[str]:
        return set(await self.session.scalars(hidden_types(self.scope)))

    async def _count_events(self, conditions: Sequence[ColumnElement[bool]]) -> int:
        return (await self.session.scalars(select(func.count()).select_from(Event).where(*conditions))).one()

    async def _count_leads(self, conditions: Sequence[ColumnElement[bool]]) -> int:
        # A subquery with DISTINCT uses a hash; `count(DISTINCT …)` would sort.
        leads = select(Event.lead_id).where(*conditions).distinct().subquery()
        return (await self.session.scalars(select(func.count()).select_from(leads))).one()

    async def _count_by_type(self, conditions: Sequence[ColumnElement[bool]]) -> dict[str, int]:
        query = select(Event.event_type, func.count()).where(*conditions).group_by(Event.event_type)
        return dict((await self.session.execute(query)).all())


def _most_frequent(by_type: dict[str, int]) -> list[TypeCount]:
    """Most frequent first; types with equal counts by name."""
    counts = [TypeCount(event_type, count) for event_type, count in by_type.items()]
    return sorted(counts, key=lambda each: (-each.count, each.event_type))


def _week(today: TimeSpan) -> TimeSpan:
    """Since Monday."""
    assert today.since is not None  # noqa: S101 - every day has a start
    return TimeSpan(today.since - timedelta(days=today.since.weekday()))
