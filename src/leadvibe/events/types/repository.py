"""Reads and changes the event types of an OU: their settings, their numbers of events, their properties."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, delete, exists, func, literal, select, union
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.repository import Repository
from leadvibe.core.http.problems import NotFound
from leadvibe.core.scope import Scope
from leadvibe.counts.repository import CountRepository
from leadvibe.events.conditions import indexed_matches
from leadvibe.events.models import Event, EventType
from leadvibe.events.schemas import EventFilter
from leadvibe.ingest.validation import RESERVED_TYPES
from leadvibe.rulesets.locks import lock_configurations
from leadvibe.rulesets.models import InorganicFilter, Rule
from leadvibe.rulesets.versions import configuration_change
from leadvibe.scores.models import ScoreEntry

SYSTEM_TYPES: Final = RESERVED_TYPES | {"DECAY"}
"""Event types of timeline entries that are not events of visitors."""


@dataclass(frozen=True, slots=True)
class EventTypeRow:
    event_type: str
    hidden: bool
    max_processing_scope: str
    ou_event_count: int
    protected: bool
    """A system type, or used by an active rule or a filter. Its events can't be deleted as a whole."""

    @property
    def deletable(self) -> bool:
        return not self.protected


@dataclass(frozen=True, slots=True)
class TypeCounts:
    events_count: int
    event_scores_count: int


@dataclass(frozen=True, slots=True)
class EventProperties:
    event_type: str
    properties: Sequence[str]


class EventTypeRepository(Repository[EventType]):
    model = EventType

    async def visible(self) -> list[str]:
        """The names of the types that are not hidden."""
        query = self._select().with_only_columns(EventType.event_type).where(EventType.hidden.is_(False))
        return list(await self.session.scalars(query.order_by(EventType.event_type)))

    async def properties(self, event_type: str) -> EventProperties:
        """The metadata keys of a type's events."""
        await self.get(event_type)
        return EventProperties(event_type, sorted(await self.session.scalars(self._metadata_keys(event_type))))

    def _metadata_keys(self, event_type: str) -> Select[str]:
        of_type = indexed_matches(self.scope, EventFilter(event_type=event_type))
        keys = select(func.jsonb_object_keys(Event.attributes)).where(Event.unit_id == self.scope.unit_id, *of_type)
        return keys.distinct()


class EventTypeSettings(Repository[EventType]):
    model = EventType

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        super().__init__(session, scope)
        self._counts = CountRepository(session, scope)

    async def all(self) -> Sequence[EventTypeRow]:
        """All event types, sorted by name."""
        types = await self.session.scalars(self._select().order_by(EventType.event_type))
        counts, protected = await self._counts.events_by_type(), await self.protected()
        return [_row(each, counts.get(each.event_type, 0), protected) for each in types]

    async def change(self, event_type: str, values: Mapping[str, Any]) -> EventTypeRow:
        """Change the given settings. They apply to events that are processed from now on."""
        async with configuration_change(self.session, self.scope):
            row = await self.update(await self.require(event_type), values)
        return _row(row, await self._counts.events(event_type), await self.protected())

    async def require(self, event_type: str) -> EventType:
        row = await self.find(event_type)
        if row is None:
            raise NotFound("There is no event type with this name in the active OU.")
        return row

    async def counts(self, event_type: str) -> TypeCounts:
        """How much a deletion of all events of the type would remove now."""
        await self.require(event_type)
        of_type = select(Event.event_id).where(Event.unit_id == self.scope.unit_id, Event.event_type == event_type)
        entries = select(func.count()).where(
            ScoreEntry.unit_id == self.scope.unit_id,
            ScoreEntry.superseded_at.is_(None),
            ScoreEntry.event_id.in_(of_type),
        )
        return TypeCounts(await self._counts.events(event_type), await self.session.scalar(entries) or 0)

    async def protected(self) -> Collection[str]:
        """The types whose events can't be deleted as a whole."""
        rules = select(Rule.event_type).where(Rule.unit_id == self.scope.unit_id, Rule.active)
        filters = select(InorganicFilter.event_type).where(InorganicFilter.unit_id == self.scope.unit_id)
        return {*SYSTEM_TYPES, *await self.session.scalars(union(rules, filters))}

    async def delete_unused(self, event_type: str) -> None:
        """Delete the event type if nothing uses it and its settings are the defaults.

        The lock keeps out workers and changes of the configuration, which register a type before they use it.
        """
        await lock_configurations(self.session, [self.scope.unit_id])
        uses = [
            exists().where(model.unit_id == self.scope.unit_id, model.event_type == event_type)
            for model in (Rule, InorganicFilter)
        ]
        await self.session.execute(
            delete(EventType)
            .where(EventType.unit_id == self.scope.unit_id, EventType.event_type == event_type)
            .where(EventType.hidden.is_(False), EventType.max_processing_scope == "activate")
            .where(*(~used for used in uses))
            .execution_options(synchronize_session=False)
        )

    async def restore_used(self, event_type: str) -> None:
        """Add the event type again if there are events of it."""
        has_events = exists().where(Event.unit_id == self.scope.unit_id, Event.event_type == event_type)
        row = select(literal(self.scope.unit_id), literal(event_type)).where(has_events)
        await self.session.execute(
            insert(EventType).from_select(["unit_id", "event_type"], row).on_conflict_do_nothing()
        )


def _row(row: EventType, events: int, protected: Collection[str]) -> EventTypeRow:
    return EventTypeRow(row.event_type, row.hidden, row.max_processing_scope, events, row.event_type in protected)
