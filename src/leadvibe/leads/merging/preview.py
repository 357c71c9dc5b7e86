"""What a merge would do, counted."""

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
    isolation: ClassVar = "REPEATABLE READ"

    async def preview(self, wanted: MergeCreate) -> MergePreview:
        accounts = await self._accounts(wanted.lead_ids)
        wanted.check_account(accounts)
        target_id, source_ids = wanted.target_lead_id, wanted.source_lead_ids
        moved = [self._of(Event, source_ids)]
        if wanted.truncate.before is not None:
            moved.append(Event.occurred_at >= wanted.truncate.before)
        scores = await self._overall_scores(wanted.lead_ids)
        return MergePreview(
            target_id,
            source_ids,
            await self._count(Event.event_id, self._of(Event, [target_id])),
            await self._count(Event.event_id, *moved),
            await self._count(Alias.value, self._of(Alias, source_ids)),
            await self._count(Event.session_id.distinct(), *moved),
            await self._claimed_twice(wanted.lead_ids),
            scores.pop(target_id),
            scores,
            accounts,
        )

    async def _accounts(self, lead_ids: Sequence[str]) -> list[str]:
        """Those of the leads, which all have to be there."""
        query = select(Lead.lead_id, Lead.merged_into, Lead.account_id).where(self._of(Lead, lead_ids))
        found = {row.lead_id: row for row in await self.session.execute(query)}
        for lead_id in lead_ids:
            if lead_id not in found:
                raise NotFound(f"There is no lead {lead_id} here.")
            if found[lead_id].merged_into is not None:
                raise LeadMerged(lead_id, found[lead_id].merged_into)
        return sorted({row.account_id for row in found.values() if row.account_id is not None})

    async def _overall_scores(self, lead_ids: Sequence[str]) -> dict[str, int]:
        rulesets, totals = await self.rulesets(), await self.totals(lead_ids)
        own = {lead_id: totals.get(lead_id, {}) for lead_id in lead_ids}
        return {lead_id: rulesets.score(lead_id, own[lead_id], rulesets.primary).score for lead_id in own}

    async def _claimed_twice(self, lead_ids: Sequence[str]) -> int:
        """Aliases that one of the leads has and another one's events named too."""
        holder, claimant = (TimelineEntry.data[name].astext for name in ("holder", "claimant"))
        return await self._count(
            TimelineEntry.subject.distinct(),
            self._of(TimelineEntry, lead_ids),
            TimelineEntry.kind == "alias_conflict",
            holder == among(lead_ids),
            claimant == among(lead_ids),
        )

    async def _count(
        self, what: ColumnElement[Any] | InstrumentedAttribute[Any], *conditions: ColumnElement[bool]
    ) -> int:
        return (await self.session.scalars(select(func.count(what)).where(*conditions))).one()

    def _of(self, model: type[Any], lead_ids: Sequence[str]) -> ColumnElement[bool]:
        return (model.unit_id == self.scope.unit_id) & (model.lead_id == among(lead_ids))
