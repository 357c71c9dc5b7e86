"""The types of events an OU knows: how each is dealt with, how many events it has, who depends on it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete, exists, func, literal, select, union
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.repository import Repository
from leadvibe.core.http.problems import NotFound
from leadvibe.core.scope import Scope
from leadvibe.counts.repository import CountRepository
from leadvibe.events.models import Event, EventType
from leadvibe.ingest.validation import RESERVED_TYPES
from leadvibe.rulesets.locks import lock_configurations
from leadvibe.rulesets.models import InorganicFilter, Rule
from leadvibe.rulesets.versions import configuration_change
from leadvibe.scores.models import ScoreEntry

SYSTEM_TYPES: Final = RESERVED_TYPES | {"DECAY"}
"""What timelines call things that no visitor did."""


@dataclass(frozen=True, slots=True)
class EventTypeRow:
    event_type: str
    hidden: bool
    max_processing_scope: str
    ou_event_count: int
    protected: bool
    """A system type, or named by an active rule or a filter: its events can't be deleted all at once."""

    @property
    def deletable(self) -> bool:
        return not self.protected


@dataclass(frozen=True, slots=True)
class TypeCounts:
    events_count: int
    event_scores_count: int


class EventTypeSettings(Repository[EventType]):
    model = EventType

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        super().__init__(session, scope)
        self._counts = CountRepository(session, scope)

    async def all(self) -> Sequence[EventTypeRow]:
        """By name."""
        types = await self.session.scalars(self._select().order_by(EventType.event_type))
        counts, named = await self._counts.events_by_type(), await self.protected()
        return [_row(each, counts.get(each.event_type, 0), named) for each in types]

    async def change(self, event_type: str, values: Mapping[str, Any]) -> EventTypeRow:
        """Set the values that were sent, for events that are processed from now on."""
        async with configuration_change(self.session, self.scope):
            row = await self.update(await self.named(event_type), values)
        return _row(row, await self._counts.events(event_type), await self.protected())

    async def named(self, event_type: str) -> EventType:
        row = await self.find(event_type)
        if row is None:
            raise NotFound("No event of this type was ever seen here.")
        return row

    async def counts(self, event_type: str) -> TypeCounts:
        """What a deletion of all its events would remove now."""
        await self.named(event_type)
        of_type = select(Event.event_id).where(Event.unit_id == self.scope.unit_id, Event.event_type == event_type)
        entries = select(func.count()).where(
            ScoreEntry.unit_id == self.scope.unit_id,
            ScoreEntry.superseded_at.is_(None),
            ScoreEntry.event_id.in_(of_type),
        )
        return TypeCounts(await self._counts.events(event_type), await self.session.scalar(entries) or 0)

    async def protected(self) -> Collection[str]:
        rules = select(Rule.event_type).where(Rule.unit_id == self.scope.unit_id, Rule.active)
        filters = select(InorganicFilter.event_type).where(InorganicFilter.unit_id == self.scope.unit_id)
        return {*SYSTEM_TYPES, *await self.session.scalars(union(rules, filters))}

    async def forget(self, event_type: str) -> None:
        """Take it out of the lists if nothing names it and its settings are the default ones.

        Workers and editors keep away meanwhile: both make sure of the type before they use it.
        """
        await lock_configurations(self.session, [self.scope.unit_id])
        users = [
            exists().where(model.unit_id == self.scope.unit_id, model.event_type == event_type)
            for model in (Rule, InorganicFilter)
        ]
        await self.session.execute(
            delete(EventType)
            .where(EventType.unit_id == self.scope.unit_id, EventType.event_type == event_type)
            .where(EventType.hidden.is_(False), EventType.max_processing_scope == "activate")
            .where(*(~used for used in users))
            .execution_options(synchronize_session=False)
        )

    async def remember(self, event_type: str) -> None:
        """Put it back into the lists if there are events of it."""
        seen = exists().where(Event.unit_id == self.scope.unit_id, Event.event_type == event_type)
        row = select(literal(self.scope.unit_id), literal(event_type)).where(seen)
        await self.session.execute(
            insert(EventType).from_select(["unit_id", "event_type"], row).on_conflict_do_nothing()
        )


def _row(of: EventType, events: int, protected: Collection[str]) -> EventTypeRow:
    return EventTypeRow(of.event_type, of.hidden, of.max_processing_scope, events, of.event_type in protected)
