"""Reads leads' running totals, and selects the total that is the score."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

from sqlalchemy import and_, func, or_, select

from leadvibe.core.database.queries import among
from leadvibe.core.database.repository import Repository
from leadvibe.core.http.problems import NotFound
from leadvibe.identity.leads import survivor_of, survivors_of
from leadvibe.rulesets.models import Ruleset
from leadvibe.scores.models import LeadScore
from leadvibe.scores.schemas import PRIMARY

Totals = Mapping[str, int]
"""A lead's totals by ruleset id. A ruleset without entries is missing and counts as 0."""


@dataclass(frozen=True, slots=True)
class RulesetNow:
    """A ruleset at this moment: active if it is switched on and inside its active period."""

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
    merged_from: str | None = None
    """The id that was asked for, if that lead was merged into this one."""


@dataclass(frozen=True, slots=True)
class BatchScore:
    """The score of one of several requested leads."""

    lead_id: str
    """As requested, even if that lead was merged."""
    score: int
    ruleset_id: str | None
    merged_into: str | None
    """The lead whose score this is, if the requested one was merged into it."""


@dataclass(frozen=True, slots=True)
class Rulesets:
    """An OU's engagement rulesets, the primary one first."""

    all: Sequence[RulesetNow]

    @property
    def primary(self) -> RulesetNow | None:
        """The ruleset whose total is the score in lists and levels; None if the OU has no ruleset."""
        return next((ruleset for ruleset in self.all if ruleset.is_primary), None)

    @property
    def active(self) -> list[RulesetNow]:
        return [ruleset for ruleset in self.all if ruleset.active]

    @property
    def names(self) -> dict[str, str]:
        return {ruleset.ruleset_id: ruleset.name for ruleset in self.all}

    def by_id(self, ruleset_id: str) -> RulesetNow:
        for ruleset in self.all:
            if ruleset.ruleset_id == ruleset_id:
                return ruleset
        raise NotFound("There is no ruleset with this id in the active OU.")

    def by_id_or_name(self, text: str) -> RulesetNow:
        """The ruleset with this id, otherwise the one with this name."""
        by_id = (ruleset for ruleset in self.all if ruleset.ruleset_id == text)
        by_name = (ruleset for ruleset in self.all if ruleset.name == text)
        for ruleset in chain(by_id, by_name):
            return ruleset
        raise NotFound("There is no ruleset with this id or name in the active OU.")

    def highest(self, totals: Totals) -> RulesetNow | None:
        """The active ruleset with the highest total, the primary one among equals; None if none is active."""
        return max(self.active, key=lambda ruleset: totals.get(ruleset.ruleset_id, 0), default=None)

    def score(
        self, lead_id: str, totals: Totals, ruleset: RulesetNow | None, *, merged_from: str | None = None
    ) -> Score:
        """The total in a ruleset as the lead's score; 0 without a ruleset."""
        all_totals = {each.ruleset_id: totals.get(each.ruleset_id, 0) for each in self.all}
        if ruleset is None:
            return Score(lead_id, 0, None, all_totals, merged_from)
        return Score(lead_id, all_totals[ruleset.ruleset_id], ruleset.ruleset_id, all_totals, merged_from)


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
        """Totals by lead id and ruleset id. Leads without totals are missing."""
        query = select(LeadScore.lead_id, LeadScore.ruleset_id, LeadScore.score).where(
            LeadScore.unit_id == self.scope.unit_id, LeadScore.lead_id == among(lead_ids)
        )
        totals: dict[str, dict[str, int]] = {}
        for lead_id, ruleset_id, score in await self.session.execute(query):
            totals.setdefault(lead_id, {})[ruleset_id] = score
        return totals

    async def score(self, lead_id: str, ruleset_id: str | None) -> Score:
        """The total in the given ruleset; without one, the highest total over the active rulesets."""
        lead_id, merged_from = await survivor_of(self.session, self.scope, lead_id)
        rulesets = await self.rulesets()
        totals = (await self.totals([lead_id])).get(lead_id, {})
        selected = rulesets.highest(totals) if ruleset_id is None else rulesets.by_id(ruleset_id)
        return rulesets.score(lead_id, totals, selected, merged_from=merged_from)

    async def batch(self, lead_ids: Sequence[str], ruleset: str) -> list[BatchScore]:
        """Scores in the order of `lead_ids`, without leads that don't exist; all 0 if there is no primary ruleset.

        `ruleset` is `primary`, or a ruleset's id or name.
        """
        rulesets = await self.rulesets()
        selected = rulesets.primary if ruleset == PRIMARY else rulesets.by_id_or_name(ruleset)
        survivors = await survivors_of(self.session, self.scope, lead_ids)
        totals = await self.totals(survivors.values())
        scores = {
            survivor: rulesets.score(survivor, totals.get(survivor, {}), selected) for survivor in survivors.values()
        }
        return [_batch_score(lead_id, scores[survivors[lead_id]]) for lead_id in lead_ids if lead_id in survivors]


def _batch_score(lead_id: str, score: Score) -> BatchScore:
    merged_into = None if score.lead_id == lead_id else score.lead_id
    return BatchScore(lead_id, score.score, score.ruleset_id, merged_into)
