"""A member's watch list in one OU, with the change of each score since the lead was added."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Select, and_, func, or_, select

from leadvibe.core.database.queries import among
from leadvibe.core.database.repository import Repository
from leadvibe.core.http.paging import Page
from leadvibe.core.http.problems import NotFound, constraint_means
from leadvibe.core.ids import new_id
from leadvibe.identity.leads import LeadMerged, survivors_of
from leadvibe.leads.repository import LeadRepository
from leadvibe.leads.watching.models import WatchedLead
from leadvibe.scores.models import ScoreEntry
from leadvibe.scores.repository import ScoreRepository

constraint_means("pk_watched_leads", "This lead is already on your watch list.")


@dataclass(frozen=True, slots=True)
class AddedToWatchList:
    watch_id: str
    lead_id: str
    message: str = "Lead added to watch list"


@dataclass(frozen=True, slots=True)
class WatchedLeadRow:
    watch_id: str
    lead_id: str
    score: int
    score_change: int
    prediction: str | None
    prediction_notes: str | None
    watched_at: datetime
    outcome: str
    outcome_at: datetime | None


@dataclass(frozen=True, slots=True)
class WatchedLeadPage:
    watched_leads: Sequence[WatchedLeadRow]
    total: int


class WatchList(Repository[WatchedLead]):
    """The watch list of the member who sends the request."""

    model = WatchedLead

    async def add(self, lead_id: str, values: Mapping[str, Any]) -> AddedToWatchList:
        # The lock makes a concurrent merge wait for this entry, which it then moves to the target.
        await LeadRepository(self.session, self.scope).lock(lead_id)
        key = {"org_member_id": self.scope.actor.id, "lead_id": lead_id, "watch_id": new_id("watch")}
        entry = await self.create({**values, **key})
        return AddedToWatchList(entry.watch_id, lead_id)

    async def remove(self, lead_id: str) -> None:
        entry = await self.session.scalar(self._own().where(WatchedLead.lead_id == lead_id))
        if entry is None:
            await self._refuse_merged(lead_id)
            raise NotFound("This lead is not on your watch list.")
        await self.delete(entry)

    async def _refuse_merged(self, lead_id: str) -> None:
        """A merge moves the entry to the surviving lead, where it must be removed."""
        survivor = (await survivors_of(self.session, self.scope, [lead_id])).get(lead_id, lead_id)
        if survivor != lead_id:
            raise LeadMerged(lead_id, survivor)

    async def list(self, page: Page) -> WatchedLeadPage:
        """Most recently added first."""
        newest_first = self._own().order_by(WatchedLead.watched_at.desc(), WatchedLead.watch_id.desc())
        entries = await self.paginate(newest_first, page)
        lead_ids = [entry.lead_id for entry in entries.items]
        scores = ScoreRepository(self.session, self.scope)
        rulesets = await scores.rulesets()
        totals_now = await scores.totals(lead_ids)
        totals_when_added = await self._totals_when_added(lead_ids)
        rows: list[WatchedLeadRow] = []
        for entry in entries.items:
            score, score_when_added = (
                rulesets.score(entry.lead_id, totals.get(entry.lead_id, {}), rulesets.primary).score
                for totals in (totals_now, totals_when_added)
            )
            rows.append(_row(entry, score, score - score_when_added))
        return WatchedLeadPage(rows, entries.total)

    async def _totals_when_added(self, lead_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """Totals by lead and ruleset, as the ledger had them when the lead was added to the list."""
        added_at = WatchedLead.watched_at
        query = (
            select(ScoreEntry.lead_id, ScoreEntry.ruleset_id, func.sum(ScoreEntry.applied))
            .join(
                WatchedLead, and_(WatchedLead.unit_id == ScoreEntry.unit_id, WatchedLead.lead_id == ScoreEntry.lead_id)
            )
            .where(ScoreEntry.unit_id == self.scope.unit_id, ScoreEntry.lead_id == among(lead_ids))
            .where(WatchedLead.org_member_id == self.scope.actor.id)
            .where(ScoreEntry.occurred_at <= added_at, ScoreEntry.recorded_at <= added_at)
            .where(or_(ScoreEntry.superseded_at.is_(None), ScoreEntry.superseded_at > added_at))
            .group_by(ScoreEntry.lead_id, ScoreEntry.ruleset_id)
        )
        totals: dict[str, dict[str, int]] = {}
        for lead_id, ruleset_id, total in await self.session.execute(query):
            totals.setdefault(lead_id, {})[ruleset_id] = int(total)
        return totals

    def _own(self) -> Select[WatchedLead]:
        return self._select().where(WatchedLead.org_member_id == self.scope.actor.id)


class ConsistentWatchList(WatchList):
    """For the list, whose queries must agree with each other."""

    isolation: ClassVar = "REPEATABLE READ"


def _row(entry: WatchedLead, score: int, score_change: int) -> WatchedLeadRow:
    return WatchedLeadRow(
        watch_id=entry.watch_id,
        lead_id=entry.lead_id,
        score=score,
        score_change=score_change,
        prediction=entry.prediction,
        prediction_notes=entry.prediction_notes,
        watched_at=entry.watched_at,
        outcome=entry.outcome,
        outcome_at=entry.outcome_at,
    )
