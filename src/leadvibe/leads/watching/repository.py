"""A member's watch list in one OU, with what became of the scores."""

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
from leadvibe.identity.leads import LeadMerged
from leadvibe.leads.models import Lead
from leadvibe.leads.watching.models import WatchedLead
from leadvibe.scores.models import ScoreEntry
from leadvibe.scores.repository import ScoreRepository

constraint_means("pk_watched_leads", "You are watching this lead already.")


@dataclass(frozen=True, slots=True)
class Started:
    watch_id: str
    lead_id: str
    message: str = "Lead added to watch list"


@dataclass(frozen=True, slots=True)
class Watched:
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
class WatchedPage:
    watched_leads: Sequence[Watched]
    total: int


class WatchList(Repository[WatchedLead]):
    """The caller's own watch list."""

    model = WatchedLead

    async def add(self, lead_id: str, values: Mapping[str, Any]) -> Started:
        # A merge of the lead waits for this entry and takes it along, or has come first and is seen.
        lead = select(Lead.merged_into).where(Lead.unit_id == self.scope.unit_id, Lead.lead_id == lead_id)
        row = (await self.session.execute(lead.with_for_update(key_share=True))).one_or_none()
        if row is None:
            raise NotFound("There is no such lead here.")
        if row.merged_into is not None:
            raise LeadMerged(lead_id, row.merged_into)
        own = {"org_member_id": self.scope.actor.id, "lead_id": lead_id, "watch_id": new_id("watch")}
        entry = await self.create({**values, **own})
        return Started(entry.watch_id, lead_id)

    async def remove(self, lead_id: str) -> None:
        entry = await self.session.scalar(self._own().where(WatchedLead.lead_id == lead_id))
        if entry is None:
            raise NotFound("You are not watching such a lead here.")
        await self.delete(entry)

    async def list(self, page: Page) -> WatchedPage:
        """The last added first."""
        newest_first = self._own().order_by(WatchedLead.watched_at.desc(), WatchedLead.watch_id.desc())
        entries = await self.paginate(newest_first, page)
        lead_ids = [entry.lead_id for entry in entries.items]
        scores = ScoreRepository(self.session, self.scope)
        rulesets, now, then = await scores.rulesets(), await scores.totals(lead_ids), await self._totals_then(lead_ids)
        rows: list[Watched] = []
        for entry in entries.items:
            score, before = (
                rulesets.score(entry.lead_id, totals, rulesets.primary).score
                for totals in (now.get(entry.lead_id, {}), then.get(entry.lead_id, {}))
            )
            rows.append(_shown(entry, score, score - before))
        return WatchedPage(rows, entries.total)

    async def _totals_then(self, lead_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """The totals by lead and ruleset as they were believed when watching began: what was shown then."""
        began = WatchedLead.watched_at
        query = (
            select(ScoreEntry.lead_id, ScoreEntry.ruleset_id, func.sum(ScoreEntry.applied))
            .join(
                WatchedLead, and_(WatchedLead.unit_id == ScoreEntry.unit_id, WatchedLead.lead_id == ScoreEntry.lead_id)
            )
            .where(ScoreEntry.unit_id == self.scope.unit_id, ScoreEntry.lead_id == among(lead_ids))
            .where(WatchedLead.org_member_id == self.scope.actor.id)
            .where(ScoreEntry.occurred_at <= began, ScoreEntry.recorded_at <= began)
            .where(or_(ScoreEntry.superseded_at.is_(None), ScoreEntry.superseded_at > began))
            .group_by(ScoreEntry.lead_id, ScoreEntry.ruleset_id)
        )
        totals: dict[str, dict[str, int]] = {}
        for lead_id, ruleset_id, total in await self.session.execute(query):
            totals.setdefault(lead_id, {})[ruleset_id] = int(total)
        return totals

    def _own(self) -> Select[WatchedLead]:
        return self._select().where(WatchedLead.org_member_id == self.scope.actor.id)


class ConsistentWatchList(WatchList):
    """For reads of several queries that must agree with each other."""

    isolation: ClassVar = "REPEATABLE READ"


def _shown(entry: WatchedLead, score: int, score_change: int) -> Watched:
    return Watched(
        entry.watch_id,
        entry.lead_id,
        score,
        score_change,
        entry.prediction,
        entry.prediction_notes,
        entry.watched_at,
        entry.outcome,
        entry.outcome_at,
    )
