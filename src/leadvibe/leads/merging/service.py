"""Merges leads: transfers the rows of the sources to the target and replays the target's history."""

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
from leadvibe.leads.merging.origins import latest, lock_with_merged, read_origins, replace_origins
from leadvibe.leads.merging.schemas import MergeCreate
from leadvibe.leads.merging.transfer import Transfer
from leadvibe.leads.models import Lead, TimelineEntry
from leadvibe.leads.scored import ScoredLead, ScoredLeads
from leadvibe.pipeline.apply import publish_scores, replay_leads
from leadvibe.pipeline.project import LeadState, next_ledger_time
from leadvibe.scores.repository import ScoreRepository, Totals


@dataclass(frozen=True, slots=True)
class ScoresBeforeAndAfter:
    previous_scores: Totals
    scores: Totals


@dataclass(frozen=True, slots=True)
class MergeResult:
    target: ScoredLead
    merged_sources: Sequence[str]
    moved_events: int
    truncated_events: int
    rescore: ScoresBeforeAndAfter


class MergeService:
    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def merge(self, merge: MergeCreate) -> MergeResult:
        target_id, source_ids = merge.target_lead_id, merge.source_lead_ids
        states, merged_before = await lock_with_merged(self.session, self.scope, merge.lead_ids)
        now = await database_now(self.session)
        previous = await self._totals(target_id)
        await self._merge_records(merge)
        await self._merge_origins(merge)
        moved_events = await self._transfer(merge, merged_before, _sources_end_at(states, source_ids, now))
        await self._add_timeline_entry(target_id, source_ids, moved_events, now)
        projections = await replay_leads(self.session, [states[target_id]], now)
        await update_last_events(self.session, self.scope.unit_id, merge.lead_ids)
        await update_counters(
            await raw(self.session), CounterChanges(leads=Counter({self.scope.unit_id: -len(source_ids)}))
        )
        truncated_events = await self._count_events(source_ids)
        target = await ScoredLeads(self.session, self.scope).get(target_id)
        await publish_scores(self.session, projections)
        scores = ScoresBeforeAndAfter(previous, target.engagement_scores)
        return MergeResult(target, source_ids, moved_events, truncated_events, scores)

    async def _totals(self, lead_id: str) -> Totals:
        scores = ScoreRepository(self.session, self.scope)
        totals = (await scores.totals([lead_id])).get(lead_id, {})
        return (await scores.rulesets()).score(lead_id, totals, None).engagement_scores

    async def _merge_records(self, merge: MergeCreate) -> None:
        """Fill in what the target lacks from the sources, in the order sent: metadata keys, account and owner."""
        query = select(Lead.lead_id, Lead.attributes, Lead.account_id, Lead.owner_id, Lead.created_at).where(
            Lead.unit_id == self.scope.unit_id, Lead.lead_id == among(merge.lead_ids)
        )
        rows = {row.lead_id: row for row in await self.session.execute(query)}
        leads = [rows[lead_id] for lead_id in merge.lead_ids]
        accounts = [lead.account_id for lead in leads if lead.account_id is not None]
        merge.check_account(accounts)
        attributes: dict[str, Any] = {}
        for lead in leads:
            attributes |= {key: value for key, value in lead.attributes.items() if _is_missing(attributes, key)}
        await self.session.execute(
            update(Lead)
            .where(Lead.unit_id == self.scope.unit_id, Lead.lead_id == merge.target_lead_id)
            .values(
                attributes=attributes,
                account_id=merge.account_id or next(iter(accounts), None),
                owner_id=next((lead.owner_id for lead in leads if lead.owner_id is not None), None),
                created_at=min(lead.created_at for lead in leads),
            )
            .execution_options(synchronize_session=False)
        )

    async def _merge_origins(self, merge: MergeCreate) -> None:
        """Events from the truncated time don't count, even if they arrive after the merge."""
        of_target = await read_origins(self.session, self.scope, [merge.target_lead_id])
        of_sources = await read_origins(self.session, self.scope, merge.source_lead_ids)
        truncated_until = merge.truncate.last_excluded
        of_sources = {lead_id: latest(until, truncated_until) for lead_id, until in of_sources.items()}
        origins = of_target | of_sources
        await replace_origins(self.session, self.scope, merge.target_lead_id, merge.source_lead_ids, origins)

    async def _transfer(self, merge: MergeCreate, merged_before: Sequence[str], sources_end_at: datetime) -> int:
        """Transfer all rows of the sources, and return the number of events."""
        transfer = Transfer(self.session, self.scope, merge.target_lead_id, merge.source_lead_ids)
        await transfer.pin_config_versions()
        moved_events = await transfer.events(merge.truncate.before)
        await transfer.adjustments(merge.truncate.before)
        await transfer.orders()
        await transfer.aliases_and_keys()
        await transfer.timeline_entries()
        await transfer.watch_list_entries()
        await transfer.close_sources(merged_before, sources_end_at)
        await transfer.mark_target_resets()
        return moved_events

    async def _count_events(self, lead_ids: Sequence[str]) -> int:
        query = select(func.count(Event.event_id)).where(
            Event.unit_id == self.scope.unit_id, Event.lead_id == among(lead_ids)
        )
        return (await self.session.scalars(query)).one()

    async def _add_timeline_entry(
        self, target_id: str, source_ids: Sequence[str], moved_events: int, at: datetime
    ) -> None:
        data = {"source_lead_ids": source_ids, "moved_events": moved_events, "merged_by": self.scope.actor.id}
        self.session.add(
            TimelineEntry(
                unit_id=self.scope.unit_id,
                lead_id=target_id,
                kind="lead_merged",
                subject=new_id("mg"),
                occurred_at=at,
                data=data,
            )
        )
        await self.session.flush()


def _is_missing(attributes: Mapping[str, Any], key: str) -> bool:
    """Whether a value of another lead may fill in this key. Forms send `""` and `null` for fields left empty."""
    return attributes.get(key) is None or attributes[key] == ""


def _sources_end_at(states: Mapping[str, LeadState], source_ids: Sequence[str], now: datetime) -> datetime:
    """When the ledgers of the sources end: after the last write to any of them."""
    return max(next_ledger_time(states[source_id].lead, now) for source_id in source_ids)
