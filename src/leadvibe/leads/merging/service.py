"""Merges leads: the target's history becomes the countable facts of all of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.clock import database_now
from leadvibe.core.database.queries import among
from leadvibe.core.database.transactions import raw
from leadvibe.core.ids import new_id
from leadvibe.core.scope import Scope
from leadvibe.counts.counters import CounterChanges, update_counters
from leadvibe.events.last_events import update_last_events
from leadvibe.events.models import Event
from leadvibe.leads.merging.moving import Move
from leadvibe.leads.merging.origins import hold_whole, later, origins_of, replace_origins
from leadvibe.leads.merging.schemas import MergeCreate
from leadvibe.leads.models import Lead, TimelineEntry
from leadvibe.leads.repository import LeadRepository, ScoredLead
from leadvibe.pipeline.apply import publish_scores, replay_leads
from leadvibe.pipeline.project import LeadState, next_ledger_time
from leadvibe.scores.repository import ScoreRepository


@dataclass(frozen=True, slots=True)
class Rescore:
    previous_scores: Mapping[str, int]
    scores: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class MergeDone:
    target: ScoredLead
    merged_sources: Sequence[str]
    moved_events: int
    truncated_events: int
    rescore: Rescore


class Merges:
    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def merge(self, wanted: MergeCreate) -> MergeDone:
        target_id, source_ids = wanted.target_lead_id, wanted.source_lead_ids
        states, merged = await hold_whole(self.session, self.scope, wanted.lead_ids)
        now = await database_now(self.session)
        previous = await self._totals(target_id)
        await self._fill_gaps(wanted)
        await self._replace_origins(wanted)
        moved, left_behind = await self._move(wanted, merged, _ending(states, source_ids, now))
        await self._note(target_id, source_ids, moved, now)
        evolved = await replay_leads(self.session, [states[target_id]], now)
        await update_last_events(self.session, self.scope.unit_id, wanted.lead_ids)
        await update_counters(
            await raw(self.session), CounterChanges(leads=Counter({self.scope.unit_id: -len(source_ids)}))
        )
        target = await LeadRepository(self.session, self.scope).scored(target_id)
        await publish_scores(self.session, evolved)
        return MergeDone(target, source_ids, moved, left_behind, Rescore(previous, target.engagement_scores))

    async def _totals(self, lead_id: str) -> Mapping[str, int]:
        scores = ScoreRepository(self.session, self.scope)
        totals = (await scores.totals([lead_id])).get(lead_id, {})
        return (await scores.rulesets()).score(lead_id, totals, None).engagement_scores

    async def _fill_gaps(self, wanted: MergeCreate) -> None:
        """The target's own come first, then what the sources have, in the order in which they were named."""
        query = select(Lead.lead_id, Lead.attributes, Lead.account_id, Lead.owner_id, Lead.created_at).where(
            Lead.unit_id == self.scope.unit_id, Lead.lead_id == among(wanted.lead_ids)
        )
        found = {row.lead_id: row for row in await self.session.execute(query)}
        leads = [found[lead_id] for lead_id in wanted.lead_ids]
        accounts = [lead.account_id for lead in leads if lead.account_id is not None]
        wanted.check_account(accounts)
        attributes: dict[str, Any] = {}
        for lead in leads:
            attributes |= {key: value for key, value in lead.attributes.items() if key not in attributes}
        await self.session.execute(
            update(Lead)
            .where(Lead.unit_id == self.scope.unit_id, Lead.lead_id == wanted.target_lead_id)
            .values(
                attributes=attributes,
                account_id=wanted.account_id or next(iter(accounts), None),
                owner_id=next((lead.owner_id for lead in leads if lead.owner_id is not None), None),
                created_at=min(lead.created_at for lead in leads),
            )
            .execution_options(synchronize_session=False)
        )

    async def _replace_origins(self, wanted: MergeCreate) -> None:
        """What a truncation leaves behind never counts, so neither does what of that time comes later."""
        own = await origins_of(self.session, self.scope, [wanted.target_lead_id])
        joining = await origins_of(self.session, self.scope, wanted.source_lead_ids)
        last = wanted.truncate.last_left_behind
        joining = {original: later(until, last) for original, until in joining.items()}
        await replace_origins(self.session, self.scope, wanted.target_lead_id, wanted.source_lead_ids, own | joining)

    async def _move(self, wanted: MergeCreate, merged: Sequence[str], at: datetime) -> tuple[int, int]:
        """How many events went to the target, and how many stay."""
        move = Move(self.session, self.scope, wanted.target_lead_id, wanted.source_lead_ids)
        await move.versions()
        moved = await move.events(wanted.truncate.before)
        await move.adjustments(wanted.truncate.before)
        await move.orders()
        await move.names()
        await move.notes()
        await move.watchers()
        await move.end_sources(merged, at)
        await move.forget_resets()
        left = select(func.count(Event.event_id)).where(
            Event.unit_id == self.scope.unit_id, Event.lead_id == among(wanted.source_lead_ids)
        )
        return moved, (await self.session.scalars(left)).one()

    async def _note(self, target_id: str, source_ids: Sequence[str], moved: int, at: datetime) -> None:
        told = {"source_lead_ids": source_ids, "moved_events": moved, "merged_by": self.scope.actor.id}
        self.session.add(
            TimelineEntry(
                unit_id=self.scope.unit_id,
                lead_id=target_id,
                kind="lead_merged",
                subject=new_id("mg"),
                occurred_at=at,
                data=told,
            )
        )
        await self.session.flush()


def _ending(states: Mapping[str, LeadState], source_ids: Sequence[str], now: datetime) -> datetime:
    """When the sources' ledgers end: later than the last writing of any."""
    return max(next_ledger_time(states[source_id].lead, now) for source_id in source_ids)
