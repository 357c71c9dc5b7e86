"""What happens in an OU: its visible events by type and day, in UTC, and how many leads they are of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

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
    """Several reads that must agree: take it with `isolation="REPEATABLE READ"`."""

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def traffic(self, range_: Range, event_type: str | None) -> Traffic:
        """The most frequent type first, and the newest day."""
        shown = self._shown(range_.window(datetime.now(UTC)), await self._hidden())
        if event_type is not None:
            shown.append(Event.event_type == event_type)
        by_type: dict[str, int] = {}
        by_day: dict[date, int] = {}
        counted = select(Event.event_type, DAY, func.count()).where(*shown).group_by(Event.event_type, DAY)
        for type_, day, events in await self.session.execute(counted):
            by_type[type_] = by_type.get(type_, 0) + events
            by_day[day] = by_day.get(day, 0) + events
        return Traffic(
            Totals(sum(by_type.values()), await self._leads(shown)),
            {each.event_type: each.count for each in _most_frequent(by_type)},
            [DailyCount(day, by_day[day]) for day in sorted(by_day, reverse=True)],
        )

    async def statistics(self, range_: Range, most: int) -> Statistics:
        """Of all time and of now; the most frequent types are those of the range."""
        now = datetime.now(UTC)
        window = range_.window(now)
        counts = await CountRepository(self.session, self.scope).events_by_type()
        hidden = await self._hidden()
        everything = {type_: events for type_, events in counts.items() if type_ not in hidden}
        by_type = everything if window == TimeSpan() else await self._by_type(self._shown(window, hidden))
        today = Range.TODAY.window(now)
        last_day = self._shown(Range.LAST_24H.window(now), hidden)
        return Statistics(
            total_events=sum(everything.values()),
            total_leads=await self._leads(self._shown(TimeSpan(), hidden)),
            events_today=await self._events(self._shown(today, hidden)),
            events_this_week=await self._events(self._shown(_week(today), hidden)),
            last_24h=Totals(await self._events(last_day), await self._leads(last_day)),
            top_events=_most_frequent(by_type)[:most],
        )

    def _shown(self, window: TimeSpan, hidden: set[str]) -> list[ColumnElement[bool]]:
        visible = [Event.event_type.not_in(hidden)] if hidden else []
        return [Event.unit_id == self.scope.unit_id, *within(window), *visible]

    async def _hidden(self) -> set[str]:
        return set(await self.session.scalars(hidden_types(self.scope)))

    async def _events(self, shown: Sequence[ColumnElement[bool]]) -> int:
        return (await self.session.scalars(select(func.count()).select_from(Event).where(*shown))).one()

    async def _leads(self, shown: Sequence[ColumnElement[bool]]) -> int:
        # Of a subquery: `count(DISTINCT …)` sorts, where DISTINCT hashes.
        leads = select(Event.lead_id).where(*shown).distinct().subquery()
        return (await self.session.scalars(select(func.count()).select_from(leads))).one()

    async def _by_type(self, shown: Sequence[ColumnElement[bool]]) -> dict[str, int]:
        query = select(Event.event_type, func.count()).where(*shown).group_by(Event.event_type)
        return dict((await self.session.execute(query)).all())


def _most_frequent(by_type: dict[str, int]) -> list[TypeCount]:
    """Equals by name."""
    return [TypeCount(*item) for item in sorted(by_type.items(), key=lambda item: (-item[1], item[0]))]


def _week(today: TimeSpan) -> TimeSpan:
    """From Monday on."""
    assert today.since is not None  # noqa: S101 - a day begins
    return TimeSpan(today.since - timedelta(days=today.since.weekday()))
