"""Explains what one event did to its lead's totals, from the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core import ids
from leadvibe.core.http.problems import NotFound
from leadvibe.core.instants import micros
from leadvibe.core.scope import Scope
from leadvibe.engine import facts
from leadvibe.events.models import Event
from leadvibe.leads.models import Lead
from leadvibe.rulesets.models import Ruleset
from leadvibe.scores.models import ScoreEntry


@dataclass(frozen=True, slots=True)
class Award:
    rule_id: str
    weight: int


@dataclass(frozen=True, slots=True)
class RulesetEffect:
    ruleset_id: str
    ruleset_name: str | None
    before: int
    after: int
    rules: Sequence[Award]
    base: int
    multiplier: float
    points: int
    applied: int


@dataclass(frozen=True, slots=True)
class EventExplanation:
    event_id: UUID
    lead_id: str
    event_type: str
    occurred_at: datetime
    suppression_reason: str | None
    rulesets: Sequence[RulesetEffect]


class Explanations:
    isolation: ClassVar = "REPEATABLE READ"

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def of_event(self, event_id: str) -> EventExplanation:
        event = await self._event(event_id)
        stamped = await self._stamped_version(event.lead_id)
        names = await self._ruleset_names()
        totals = await self._totals_before(event.lead_id, event.occurred_at)
        mine: list[ScoreEntry] = []
        for entry, other in await self._entries_at(event.lead_id, event.occurred_at):
            if entry.event_id == event.event_id:
                mine.append(entry)
            elif _precedes(entry, other, event, stamped):
                totals[entry.ruleset_id] = totals.get(entry.ruleset_id, 0) + entry.applied
        return EventExplanation(
            event.event_id,
            event.lead_id,
            event.event_type,
            event.occurred_at,
            event.suppression_reason,
            [_effect(entry, names.get(entry.ruleset_id), totals.get(entry.ruleset_id, 0)) for entry in mine],
        )

    async def _event(self, event_id: str) -> Event:
        identity = ids.read("ev", event_id)
        query = select(Event).where(Event.unit_id == self.scope.unit_id, Event.event_id == identity)
        event = await self.session.scalar(query) if identity else None
        if event is None:
            raise NotFound("There is no such event here.")
        return event

    async def _stamped_version(self, lead_id: str) -> int:
        query = select(Lead.stamped_version).where(Lead.unit_id == self.scope.unit_id, Lead.lead_id == lead_id)
        return await self.session.scalar(query) or 0

    async def _ruleset_names(self) -> dict[str, str]:
        query = select(Ruleset.ruleset_id, Ruleset.name).where(Ruleset.unit_id == self.scope.unit_id)
        return dict((await self.session.execute(query)).all())

    async def _totals_before(self, lead_id: str, instant: datetime) -> dict[str, int]:
        query = (
            select(ScoreEntry.ruleset_id, func.sum(ScoreEntry.applied))
            .where(self._current(lead_id), ScoreEntry.occurred_at < instant)
            .group_by(ScoreEntry.ruleset_id)
        )
        return {ruleset_id: int(total) for ruleset_id, total in await self.session.execute(query)}

    async def _entries_at(self, lead_id: str, instant: datetime) -> list[tuple[ScoreEntry, Event | None]]:
        query = (
            select(ScoreEntry, Event)
            .outerjoin(Event, and_(Event.unit_id == ScoreEntry.unit_id, Event.event_id == ScoreEntry.event_id))
            .where(self._current(lead_id), ScoreEntry.occurred_at == instant)
            .order_by(ScoreEntry.ruleset_id)
        )
        return [(entry, event) for entry, event in await self.session.execute(query)]

    def _current(self, lead_id: str) -> ColumnElement[bool]:
        return and_(
            ScoreEntry.unit_id == self.scope.unit_id,
            ScoreEntry.lead_id == lead_id,
            ScoreEntry.superseded_at.is_(None),
        )


def _precedes(entry: ScoreEntry, other: Event | None, event: Event, stamped: int) -> bool:
    """Whether an entry of the event's own instant comes before the event in the canonical order."""
    if other is not None:
        return facts.order(_fact(other, stamped)) < facts.order(_fact(event, stamped))
    return entry.kind == "decay"


def _fact(event: Event, stamped: int) -> facts.Event:
    return facts.Event(
        id=event.event_id,
        type=event.event_type,
        at=micros(event.occurred_at),
        digest=event.digest,
        key=event.idempotency_key or "",
        version=max(event.config_version, stamped),
        metadata={},
        channel=event.channel or "",
    )


def _effect(entry: ScoreEntry, ruleset_name: str | None, before: int) -> RulesetEffect:
    return RulesetEffect(
        ruleset_id=entry.ruleset_id,
        ruleset_name=ruleset_name,
        before=before,
        after=before + entry.applied,
        rules=[Award(rule_id, weight) for rule_id, weight in entry.awards],
        base=entry.base,
        multiplier=entry.multiplier / 1000,
        points=entry.points,
        applied=entry.applied,
    )
