"""Leads with their scores, sorted and narrowed as lists show them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.models import Member
from leadvibe.core.http import Page
from leadvibe.core.problems import Invalid, NotFound, constraint_means
from leadvibe.core.repository import Repository
from leadvibe.core.scope import Scope
from leadvibe.leads.metadata import patched
from leadvibe.leads.models import Alias, Lead
from leadvibe.leads.presence import demand_lead
from leadvibe.leads.schemas import LeadFilter
from leadvibe.scoring.acting import Merged
from leadvibe.scoring.repository import Rulesets, ScoreRepository, Totals

constraint_means("pk_leads", "There is a lead with this id already.")


@dataclass(frozen=True, slots=True)
class LeadRow:
    """A lead's record: its own columns and its owner's name."""

    org_id: str
    unit_id: str
    lead_id: str
    account_id: str | None
    owner_id: str | None
    owner_name: str | None
    created_at: datetime
    updated_at: datetime
    merged_into: str | None
    metadata: dict[str, Any]
    last_event_at: datetime | None
    last_event_type: str | None
    score_reset_at: datetime | None

    @property
    def account(self) -> dict[str, Any]:
        """What is known of the account: its id, as long as accounts are kept elsewhere."""
        known = {"account_id": self.account_id, "domain": None, "name": None, "metadata": {}}
        return {} if self.account_id is None else known


COLUMNS = (
    Lead.lead_id,
    Lead.account_id,
    Lead.owner_id,
    Member.first_name + " " + Member.last_name,
    Lead.created_at,
    Lead.updated_at,
    Lead.merged_into,
    Lead.attributes,
    Lead.last_event_at,
    Lead.last_event_type,
    Lead.score_reset_at,
)


@dataclass(frozen=True, slots=True)
class ScoredLead(LeadRow):
    score: int
    ruleset_id: str | None
    engagement_scores: Totals
    ruleset_names: Mapping[str, str]
    engagement_primary_ruleset_name: str | None

    @property
    def lead(self) -> LeadRow:
        """The record, for who reads it nested."""
        return self


@dataclass(frozen=True, slots=True)
class LeadPage:
    leads: Sequence[ScoredLead]
    total: int
    page: int
    limit: int


class LeadRepository(Repository[Lead]):
    """Reads of several queries that must agree: take it with `isolation="REPEATABLE READ"` for them."""

    model = Lead

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        super().__init__(session, scope)
        self._scores = ScoreRepository(session, scope)

    async def record(self, lead_id: str) -> LeadRow:
        row = (await self.session.execute(self._records().where(Lead.lead_id == lead_id))).one_or_none()
        if row is None:
            raise NotFound("There is no such lead here.")
        return LeadRow(self.scope.org_id, self.scope.unit_id, *row)

    async def scored(self, lead_id: str) -> ScoredLead:
        query = self._records().where(Lead.lead_id == lead_id)
        found = await self._with_scores(query, await self._scores.rulesets())
        if not found:
            raise NotFound("There is no such lead here.")
        return found[0]

    async def list(self, where: LeadFilter, page: Page) -> LeadPage:
        """The highest score first, of equals the last active; leads that were merged away are left out."""
        rulesets = await self._scores.rulesets()
        overall = self._scores.overall(rulesets)
        score = func.coalesce(overall.c.score, 0)
        query = (
            self._records()
            .outerjoin(overall, overall.c.lead_id == Lead.lead_id)
            .where(Lead.merged_into.is_(None), *_conditions(where, score))
        )
        total = await self.session.scalar(select(func.count()).select_from(query.subquery()))
        sorted_ = query.order_by(score.desc(), Lead.last_event_at.desc().nulls_last(), Lead.lead_id)
        leads = await self._with_scores(sorted_.limit(page.limit).offset(page.offset), rulesets)
        return LeadPage(leads, total or 0, page.number, page.limit)

    async def add(self, values: Mapping[str, Any]) -> LeadRow:
        await self._check_owner(values)
        lead = await self.create(values)
        return await self.record(lead.lead_id)

    async def change(self, lead_id: str, values: Mapping[str, Any]) -> LeadRow:
        await self._check_owner(values)
        await self.update(await self._locked(lead_id), values)
        return await self.record(lead_id)

    async def patch_metadata(self, lead_id: str, changes: Mapping[str, Any]) -> LeadRow:
        lead = await self._locked(lead_id)
        await self.update(lead, {"attributes": patched(lead.attributes, changes)})
        return await self.record(lead_id)

    async def aliases(self, lead_id: str) -> Sequence[Alias]:
        """The first known first."""
        await demand_lead(self.session, self.scope, lead_id)
        query = select(Alias).where(Alias.unit_id == self.scope.unit_id, Alias.lead_id == lead_id)
        return (await self.session.scalars(query.order_by(Alias.created_at, Alias.kind, Alias.value))).all()

    async def _locked(self, lead_id: str) -> Lead:
        lead = await self.session.scalar(self._select().where(Lead.lead_id == lead_id).with_for_update(key_share=True))
        if lead is None:
            raise NotFound("There is no such lead here.")
        if lead.merged_into is not None:
            raise Merged(f"The lead {lead_id} was merged into {lead.merged_into}.")
        return lead

    def _records(self) -> Select[*tuple[Any, ...]]:
        owner = and_(Member.org_member_id == Lead.owner_id, Member.org_id == self.scope.org_id)
        return select(*COLUMNS).outerjoin(Member, owner).where(Lead.unit_id == self.scope.unit_id)

    async def _with_scores(self, query: Select[*tuple[Any, ...]], rulesets: Rulesets) -> Sequence[ScoredLead]:
        rows = (await self.session.execute(query)).all()
        totals = await self._scores.totals([row.lead_id for row in rows])
        primary = rulesets.primary.name if rulesets.primary else None
        leads: list[ScoredLead] = []
        for row in rows:
            own = totals.get(row.lead_id, {})
            shown = rulesets.score(row.lead_id, own, rulesets.overall(own))
            leads.append(
                ScoredLead(
                    self.scope.org_id,
                    self.scope.unit_id,
                    *row,
                    score=shown.score,
                    ruleset_id=shown.ruleset_id,
                    engagement_scores=shown.engagement_scores,
                    ruleset_names=rulesets.names,
                    engagement_primary_ruleset_name=primary,
                )
            )
        return leads

    async def _check_owner(self, values: Mapping[str, Any]) -> None:
        owner_id = values.get("owner_id")
        query = select(Member.org_member_id).where(Member.org_id == self.scope.org_id, Member.org_member_id == owner_id)
        if owner_id is not None and await self.session.scalar(query) is None:
            raise Invalid.field("owner_id", "there is no such member in this organization")


def _conditions(where: LeadFilter, score: ColumnElement[int]) -> Iterator[ColumnElement[bool]]:
    now = datetime.now(UTC)
    since, until = where.range.window(now)
    if since is not None:
        yield Lead.created_at >= since
    if until is not None:
        yield Lead.created_at < until
    if where.min_score is not None:
        yield score >= where.min_score
    if where.max_score is not None:
        yield score <= where.max_score
    if where.event_type is not None:
        yield Lead.last_event_type == where.event_type
    if where.last_active != "any":
        yield Lead.last_event_at >= now - timedelta(days=int(where.last_active.removesuffix("d")))
