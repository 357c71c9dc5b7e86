"""Counts what a merge would transfer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute

from leadvibe.core.database.queries import among
from leadvibe.core.http.problems import NotFound
from leadvibe.events.models import Event
from leadvibe.identity.leads import LeadMerged
from leadvibe.identity.models import Alias
from leadvibe.leads.merging.schemas import MergeCreate
from leadvibe.leads.models import Lead, TimelineEntry
from leadvibe.scores.repository import ScoreRepository


@dataclass(frozen=True, slots=True)
class MergePreview:
    target_lead_id: str
    source_lead_ids: Sequence[str]
    target_events: int
    total_events: int
    total_aliases: int
    total_sessions: int
    duplicate_aliases: int
    target_score: int
    source_scores: dict[str, int]
    accounts: list[str]

    @property
    def account_conflict(self) -> bool:
        return len(self.accounts) > 1


class MergePreviews(ScoreRepository):
    isolation: ClassVar = "REPEATABLE READ"  # its queries must agree with each other

    async def preview(self, merge: MergeCreate) -> MergePreview:
        accounts = await self._accounts(merge.lead_ids)
        merge.check_account(accounts)
        target_id, source_ids = merge.target_lead_id, merge.source_lead_ids
        transferred = [self._of(Event, source_ids)]
        if merge.truncate.before is not None:
            transferred.append(Event.occurred_at >= merge.truncate.before)
        scores = await self._primary_scores(merge.lead_ids)
        return MergePreview(
            target_lead_id=target_id,
            source_lead_ids=source_ids,
            target_events=await self._count(Event.event_id, self._of(Event, [target_id])),
            total_events=await self._count(Event.event_id, *transferred),
            total_aliases=await self._count(Alias.value, self._of(Alias, source_ids)),
            total_sessions=await self._count(Event.session_id.distinct(), *transferred),
            duplicate_aliases=await self._duplicate_aliases(merge.lead_ids),
            target_score=scores.pop(target_id),
            source_scores=scores,
            accounts=accounts,
        )

    async def _accounts(self, lead_ids: Sequence[str]) -> list[str]:
        """The different accounts of these leads. Raises NotFound or LeadMerged if one of them can't be merged."""
        query = select(Lead.lead_id, Lead.merged_into, Lead.account_id).where(self._of(Lead, lead_ids))
        leads = {row.lead_id: row for row in await self.session.execute(query)}
        for lead_id in lead_ids:
            if lead_id not in leads:
                raise NotFound(f"There is no lead {lead_id} in the active OU.")
            if leads[lead_id].merged_into is not None:
                raise LeadMerged(lead_id, leads[lead_id].merged_into)
        return sorted({row.account_id for row in leads.values() if row.account_id is not None})

    async def _primary_scores(self, lead_ids: Sequence[str]) -> dict[str, int]:
        rulesets, totals = await self.rulesets(), await self.totals(lead_ids)
        return {
            lead_id: rulesets.score(lead_id, totals.get(lead_id, {}), rulesets.primary).score for lead_id in lead_ids
        }

    async def _duplicate_aliases(self, lead_ids: Sequence[str]) -> int:
        """Aliases that one of the leads holds and that an event of another one contained, too."""
        holder, claimant = (TimelineEntry.data[name].astext for name in ("holder", "claimant"))
        return await self._count(
            TimelineEntry.subject.distinct(),
            self._of(TimelineEntry, lead_ids),
            TimelineEntry.kind == "alias_conflict",
            holder == among(lead_ids),
            claimant == among(lead_ids),
        )

    async def _count(
        self, expression: ColumnElement[Any] | InstrumentedAttribute[Any], *conditions: ColumnElement[bool]
    ) -> int:
        return (await self.session.scalars(select(func.count(expression)).where(*conditions))).one()

    def _of(self, model: type[Any], lead_ids: Sequence[str]) -> ColumnElement[bool]:
        return (model.unit_id == self.scope.unit_id) & (model.lead_id == among(lead_ids))
