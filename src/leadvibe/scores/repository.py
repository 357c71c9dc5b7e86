"""Reads the running totals: one lead's, many leads', and which of them is the score."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import and_, func, or_, select

from leadvibe.core.database.queries import among
from leadvibe.core.database.repository import Repository
from leadvibe.core.http.problems import NotFound
from leadvibe.identity.leads import require_lead
from leadvibe.leads.models import Lead
from leadvibe.rulesets.models import Ruleset
from leadvibe.scores.models import LeadScore
from leadvibe.scores.schemas import PRIMARY

Totals = Mapping[str, int]
"""A lead's total by ruleset; a ruleset it never scored in is missing and counts as 0."""


@dataclass(frozen=True, slots=True)
class RulesetNow:
    """A ruleset as it counts at this moment: active means switched on and inside its window."""

    ruleset_id: str
    name: str
    is_primary: bool
    active: bool


@dataclass(frozen=True, slots=True)
class Score:
    lead_id: str
    score: int
    ruleset_id: str | None
    engagement_scores: Totals


@dataclass(frozen=True, slots=True)
class Rulesets:
    """An OU's engagement rulesets, the primary one first: what turns totals into the score."""

    all: Sequence[RulesetNow]

    @property
    def primary(self) -> RulesetNow | None:
        """The ruleset whose total lists and levels call the score; None where the OU has no ruleset."""
        return next((ruleset for ruleset in self.all if ruleset.is_primary), None)

    @property
    def active(self) -> list[RulesetNow]:
        return [ruleset for ruleset in self.all if ruleset.active]

    @property
    def names(self) -> dict[str, str]:
        return {ruleset.ruleset_id: ruleset.name for ruleset in self.all}

    def of_id(self, ruleset_id: str) -> RulesetNow:
        for ruleset in self.all:
            if ruleset.ruleset_id == ruleset_id:
                return ruleset
        raise NotFound("There is no such ruleset here.")

    def called(self, name: str) -> RulesetNow:
        """The ruleset of this id, else of this name."""
        for ruleset in (*(r for r in self.all if r.ruleset_id == name), *(r for r in self.all if r.name == name)):
            return ruleset
        raise NotFound("There is no such ruleset here.")

    def highest(self, totals: Totals) -> RulesetNow | None:
        """The active ruleset with the highest total; of equals the primary."""
        return max(self.active, key=lambda ruleset: totals.get(ruleset.ruleset_id, 0), default=None)

    def score(self, lead_id: str, totals: Totals, ruleset: RulesetNow | None) -> Score:
        every = {each.ruleset_id: totals.get(each.ruleset_id, 0) for each in self.all}
        if ruleset is None:
            return Score(lead_id, 0, None, every)
        return Score(lead_id, every[ruleset.ruleset_id], ruleset.ruleset_id, every)


class ScoreRepository(Repository[LeadScore]):
    model = LeadScore
    isolation: ClassVar = "REPEATABLE READ"

    async def rulesets(self) -> Rulesets:
        now = func.now()
        active = and_(
            Ruleset.active,
            or_(Ruleset.start_at.is_(None), Ruleset.start_at <= now),
            or_(Ruleset.end_at.is_(None), Ruleset.end_at > now),
        )
        query = (
            select(Ruleset.ruleset_id, Ruleset.name, Ruleset.is_primary, active)
            .where(Ruleset.unit_id == self.scope.unit_id)
            .order_by(Ruleset.is_primary.desc(), Ruleset.ruleset_id)
        )
        return Rulesets([RulesetNow(*row) for row in await self.session.execute(query)])

    async def totals(self, lead_ids: Collection[str]) -> dict[str, dict[str, int]]:
        """By lead and ruleset, for the leads that have any."""
        query = select(LeadScore.lead_id, LeadScore.ruleset_id, LeadScore.score).where(
            LeadScore.unit_id == self.scope.unit_id, LeadScore.lead_id == among(lead_ids)
        )
        found: dict[str, dict[str, int]] = {}
        for lead_id, ruleset_id, score in await self.session.execute(query):
            found.setdefault(lead_id, {})[ruleset_id] = score
        return found

    async def score(self, lead_id: str, ruleset_id: str | None) -> Score:
        """The total in the ruleset asked for, else the highest over the active ones."""
        await require_lead(self.session, self.scope, lead_id)
        rulesets = await self.rulesets()
        totals = (await self.totals([lead_id])).get(lead_id, {})
        chosen = rulesets.highest(totals) if ruleset_id is None else rulesets.of_id(ruleset_id)
        return rulesets.score(lead_id, totals, chosen)

    async def batch(self, lead_ids: Sequence[str], ruleset: str) -> list[Score]:
        """In the order asked for, without those that aren't here. No primary ruleset: 0 for each."""
        rulesets = await self.rulesets()
        chosen = rulesets.primary if ruleset == PRIMARY else rulesets.called(ruleset)
        visible = await self._visible(lead_ids)
        totals = await self.totals(lead_ids)
        return [rulesets.score(lead_id, totals.get(lead_id, {}), chosen) for lead_id in lead_ids if lead_id in visible]

    async def _visible(self, lead_ids: Collection[str]) -> set[str]:
        query = select(Lead.lead_id).where(Lead.unit_id == self.scope.unit_id, Lead.lead_id == among(lead_ids))
        return set(await self.session.scalars(query))
