"""Makes what belonged to the sources of a merge the target's, each row with the lead that it came from."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, literal, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from leadvibe.core.database.queries import among
from leadvibe.core.scope import Scope
from leadvibe.events.models import Event
from leadvibe.identity.models import Alias, IdempotencyKey
from leadvibe.leads.models import Lead, TimelineEntry
from leadvibe.leads.watching.models import WatchedLead
from leadvibe.orders.models import Order
from leadvibe.scores.models import LeadScore, ScoreAdjustment, ScoreEntry, ScoreReset


class Move:
    """One merge's statements, under the locks of its leads."""

    def __init__(self, session: AsyncSession, scope: Scope, target_id: str, source_ids: Sequence[str]) -> None:
        self.session = session
        self.scope = scope
        self.target_id = target_id
        self.source_ids = source_ids

    async def versions(self) -> None:
        """Every event keeps the version that it is judged by: one lead's rescore says nothing of another's events."""
        theirs = (Lead.unit_id == self.scope.unit_id) & (Lead.lead_id == among([self.target_id, *self.source_ids]))
        older = Event.config_version < Lead.stamped_version
        await self._run(
            update(Event)
            .where(theirs, Event.unit_id == self.scope.unit_id, Event.lead_id == Lead.lead_id, older)
            .values(config_version=Lead.stamped_version)
        )
        await self._run(update(Lead).where(theirs).values(stamped_version=None))

    async def events(self, since: datetime | None) -> int:
        return await self._hand_over(Event, *([] if since is None else [Event.occurred_at >= since]))

    async def adjustments(self, since: datetime | None) -> None:
        await self._hand_over(ScoreAdjustment, *([] if since is None else [ScoreAdjustment.adjusted_at >= since]))

    async def orders(self) -> None:
        """All of them: they count for nothing, so a truncation leaves none behind."""
        await self._hand_over(Order)

    async def names(self) -> None:
        """Aliases, and idempotency keys: an event that comes again is known again."""
        await self._hand_over(Alias)
        await self._change(IdempotencyKey, lead_id=self.target_id)

    async def notes(self) -> None:
        """What their timelines show beside events; the same thing is noted once."""
        origin = func.jsonb_build_object("original_lead_id", TimelineEntry.lead_id)
        found = select(
            TimelineEntry.unit_id,
            literal(self.target_id),
            TimelineEntry.kind,
            TimelineEntry.subject,
            TimelineEntry.occurred_at,
            origin.concat(TimelineEntry.data),
        ).where(self._of_sources(TimelineEntry))
        columns = ["unit_id", "lead_id", "kind", "subject", "occurred_at", "data"]
        await self.session.execute(insert(TimelineEntry).from_select(columns, found).on_conflict_do_nothing())
        await self._run(delete(TimelineEntry).where(self._of_sources(TimelineEntry)))

    async def watchers(self) -> None:
        """Who watches the target already keeps that entry, who watches several sources the oldest of theirs."""
        sources, others = WatchedLead, aliased(WatchedLead)
        same = and_(others.unit_id == self.scope.unit_id, others.org_member_id == sources.org_member_id)
        older = tuple_(others.watched_at, others.watch_id) < tuple_(sources.watched_at, sources.watch_id)
        better = or_(others.lead_id == self.target_id, and_(others.lead_id == among(self.source_ids), older))
        await self._run(delete(sources).where(self._of_sources(sources), exists().where(same, better)))
        await self._change(sources, lead_id=self.target_id)

    async def end_sources(self, merged: Sequence[str], at: datetime) -> None:
        """They have no score from now on, and lead to the target; so do those that went into them before."""
        await self._change(ScoreEntry, ScoreEntry.superseded_at.is_(None), superseded_at=at)
        await self._run(delete(LeadScore).where(self._of_sources(LeadScore)))
        await self._change(Lead, score=0, standing=None, next_decay_at=None, ledger_at=at)
        led = Lead.lead_id == among([*self.source_ids, *merged])
        await self._run(update(Lead).where(Lead.unit_id == self.scope.unit_id, led).values(merged_into=self.target_id))

    async def forget_resets(self) -> None:
        """What the target's own resets took in is told by its origins; on what joins it now they have no hold."""
        of_target = (ScoreReset.unit_id == self.scope.unit_id) & (ScoreReset.lead_id == self.target_id)
        await self._run(update(ScoreReset).where(of_target).values(in_origins=True))

    async def _hand_over(self, model: type[Any], *conditions: ColumnElement[bool]) -> int:
        origin = func.coalesce(model.original_lead_id, model.lead_id)
        return await self._change(model, *conditions, lead_id=self.target_id, original_lead_id=origin)

    async def _change(self, model: type[Any], *conditions: ColumnElement[bool], **values: Any) -> int:
        return await self._run(update(model).where(self._of_sources(model), *conditions).values(**values))

    async def _run(self, statement: Any) -> int:
        result: Any = await self.session.execute(statement.execution_options(synchronize_session=False))
        return result.rowcount

    def _of_sources(self, model: type[Any]) -> ColumnElement[bool]:
        return (model.unit_id == self.scope.unit_id) & (model.lead_id == among(self.source_ids))
