"""Explains from the ledger how one event, or another row of a timeline, changed its lead's totals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, and_, cast, func, select
from sqlalchemy.orm import aliased

from leadvibe.core import ids
from leadvibe.core.http.problems import NotFound
from leadvibe.events.models import Event
from leadvibe.scores.canonical_order import event_of, position, stamped_version_of
from leadvibe.scores.models import ScoreEntry
from leadvibe.scores.repository import ScoreRepository
from leadvibe.scores.system_rows import SystemRow, find_system_rows


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


@dataclass(frozen=True, slots=True)
class Explained:
    """An event, or another row of a timeline, and what its ledger lines have in common."""

    row_id: UUID
    lead_id: str
    event_type: str
    occurred_at: datetime
    suppression_reason: str | None
    kind: str | None
    cause: UUID | str | None

    @classmethod
    def event(cls, event: Event) -> "Explained":
        columns = (event.event_id, event.lead_id, event.event_type, event.occurred_at, event.suppression_reason)
        return cls(*columns, "event", event.event_id)

    @classmethod
    def system_row(cls, row: SystemRow) -> "Explained":
        return cls(row.row_id, row.lead_id, row.event_type, row.occurred_at, None, row.kind, row.subject_id)

    def caused(self, entry: type[ScoreEntry]) -> ColumnElement[bool]:
        """It caused this line of its instant."""
        cause = entry.event_id if self.kind == "event" else entry.subject_id
        return and_(entry.kind == self.kind, cause == self.cause)


class EventExplanationRepository(ScoreRepository):
    isolation: ClassVar = "REPEATABLE READ"  # its queries must agree with each other

    async def explain(self, event_id: str) -> EventExplanation:
        explained = await self._explained(event_id)
        names = (await self.rulesets()).names
        totals = await self._totals_before(explained)
        return EventExplanation(
            explained.row_id,
            explained.lead_id,
            explained.event_type,
            explained.occurred_at,
            explained.suppression_reason,
            [
                _effect(entry, names.get(entry.ruleset_id), totals.get(entry.ruleset_id, 0) + change - entry.applied)
                for entry, change in await self._lines(explained)
            ],
        )

    async def _explained(self, text: str) -> Explained:
        row_id = ids.read("ev", text)
        if row_id is not None:
            query = select(Event).where(Event.unit_id == self.scope.unit_id, Event.event_id == row_id)
            if (event := await self.session.scalar(query)) is not None:
                return Explained.event(event)
            if row := (await find_system_rows(self.session, self.scope, [row_id])).get(row_id):
                return Explained.system_row(row)
        raise NotFound("There is no event with this id in the active OU.")

    async def _totals_before(self, explained: Explained) -> dict[str, int]:
        """The total in each ruleset before the instant."""
        query = (
            select(ScoreEntry.ruleset_id, func.sum(ScoreEntry.applied))
            .where(self._current(explained.lead_id), ScoreEntry.occurred_at < explained.occurred_at)
            .group_by(ScoreEntry.ruleset_id)
        )
        return {ruleset_id: int(total) for ruleset_id, total in await self.session.execute(query)}

    async def _lines(self, explained: Explained) -> Sequence[tuple[ScoreEntry, int]]:
        """The lines to explain, each with the change of its total since the beginning of the instant."""
        stamped_version = await stamped_version_of(self.session, self.scope, explained.lead_id)
        change = func.sum(ScoreEntry.applied).over(
            partition_by=ScoreEntry.ruleset_id, order_by=position(ScoreEntry, stamped_version), rows=(None, 0)
        )
        at_instant = (
            select(ScoreEntry, cast(change, BigInteger).label("change"))
            .outerjoin(Event, event_of(ScoreEntry))
            .where(self._current(explained.lead_id), ScoreEntry.occurred_at == explained.occurred_at)
            .subquery()
        )
        entry = aliased(ScoreEntry, at_instant)
        query = select(entry, at_instant.c.change).where(explained.caused(entry)).order_by(entry.ruleset_id)
        return [(line, change) for line, change in await self.session.execute(query)]

    def _current(self, lead_id: str) -> ColumnElement[bool]:
        return and_(
            ScoreEntry.unit_id == self.scope.unit_id,
            ScoreEntry.lead_id == lead_id,
            ScoreEntry.superseded_at.is_(None),
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
