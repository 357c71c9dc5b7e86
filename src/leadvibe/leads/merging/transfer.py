"""The statements by which a merge transfers the rows of its source leads to the target lead."""

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
from leadvibe.scores.models import LeadScore, ScoreAdjustment, ScoreEntry, ScoreReset, SurgeEvent


class Transfer:
    """The transfer of one merge, whose leads are locked. Transferred rows keep the id of their original lead."""

    def __init__(self, session: AsyncSession, scope: Scope, target_id: str, source_ids: Sequence[str]) -> None:
        self.session = session
        self.scope = scope
        self.target_id = target_id
        self.source_ids = source_ids

    async def pin_config_versions(self) -> None:
        """Store on each event the configuration version that scores it.

        Until now a lead's last rescore raised the version of all its events; it must not raise those of other leads.
        """
        merging = (Lead.unit_id == self.scope.unit_id) & (Lead.lead_id == among([self.target_id, *self.source_ids]))
        older = Event.config_version < Lead.stamped_version
        await self._run(
            update(Event)
            .where(merging, Event.unit_id == self.scope.unit_id, Event.lead_id == Lead.lead_id, older)
            .values(config_version=Lead.stamped_version)
        )
        await self._run(update(Lead).where(merging).values(stamped_version=None))

    async def events(self, since: datetime | None) -> int:
        """Transfer the events from this instant on, and return their number."""
        return await self._transfer(Event, *([] if since is None else [Event.occurred_at >= since]))

    async def adjustments(self, since: datetime | None) -> None:
        await self._transfer(ScoreAdjustment, *([] if since is None else [ScoreAdjustment.adjusted_at >= since]))

    async def orders(self) -> None:
        """Transfer all orders, even in a truncated merge: orders are never scored."""
        await self._transfer(Order)

    async def aliases_and_keys(self) -> None:
        """Transfer aliases and idempotency keys, so that a repeated event is still recognized."""
        await self._transfer(Alias)
        await self._update_sources(IdempotencyKey, lead_id=self.target_id)

    async def timeline_entries(self) -> None:
        """Transfer timeline entries. If the target has an entry of the same kind and subject, that one stays."""
        origin = func.jsonb_build_object("original_lead_id", TimelineEntry.lead_id)
        entries = select(
            TimelineEntry.unit_id,
            literal(self.target_id),
            TimelineEntry.kind,
            TimelineEntry.subject,
            TimelineEntry.occurred_at,
            origin.concat(TimelineEntry.data),
        ).where(self._of_sources(TimelineEntry))
        columns = ["unit_id", "lead_id", "kind", "subject", "occurred_at", "data"]
        await self.session.execute(insert(TimelineEntry).from_select(columns, entries).on_conflict_do_nothing())
        await self._run(delete(TimelineEntry).where(self._of_sources(TimelineEntry)))

    async def watch_list_entries(self) -> None:
        """Transfer watch list entries, one per member: the entry for the target, or else the oldest for a source."""
        entry, other = WatchedLead, aliased(WatchedLead)
        same_member = and_(other.unit_id == self.scope.unit_id, other.org_member_id == entry.org_member_id)
        older = tuple_(other.watched_at, other.watch_id) < tuple_(entry.watched_at, entry.watch_id)
        preferred = or_(other.lead_id == self.target_id, and_(other.lead_id == among(self.source_ids), older))
        await self._run(delete(entry).where(self._of_sources(entry), exists().where(same_member, preferred)))
        await self._update_sources(entry, lead_id=self.target_id)

    async def close_sources(self, merged_before: Sequence[str], at: datetime) -> None:
        """End the scores of the sources at this instant and redirect them to the target.

        Leads that were merged into a source before are redirected to the target as well.
        """
        await self._update_sources(ScoreEntry, ScoreEntry.superseded_at.is_(None), superseded_at=at)
        for model in (LeadScore, SurgeEvent):
            await self._run(delete(model).where(self._of_sources(model)))
        await self._update_sources(Lead, score=0, standing=None, next_decay_at=None, ledger_at=at)
        redirected = Lead.lead_id == among([*self.source_ids, *merged_before])
        await self._run(
            update(Lead).where(Lead.unit_id == self.scope.unit_id, redirected).values(merged_into=self.target_id)
        )

    async def mark_target_resets(self) -> None:
        """Mark the target's resets as recorded in its origins: they must not reset the facts of the sources."""
        of_target = (ScoreReset.unit_id == self.scope.unit_id) & (ScoreReset.lead_id == self.target_id)
        await self._run(update(ScoreReset).where(of_target).values(in_origins=True))

    async def _transfer(self, model: type[Any], *conditions: ColumnElement[bool]) -> int:
        origin = func.coalesce(model.original_lead_id, model.lead_id)
        return await self._update_sources(model, *conditions, lead_id=self.target_id, original_lead_id=origin)

    async def _update_sources(self, model: type[Any], *conditions: ColumnElement[bool], **values: Any) -> int:
        return await self._run(update(model).where(self._of_sources(model), *conditions).values(**values))

    async def _run(self, statement: Any) -> int:
        result: Any = await self.session.execute(statement.execution_options(synchronize_session=False))
        return result.rowcount

    def _of_sources(self, model: type[Any]) -> ColumnElement[bool]:
        return (model.unit_id == self.scope.unit_id) & (model.lead_id == among(self.source_ids))
