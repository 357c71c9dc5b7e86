"""Leads with their scores, sorted and narrowed as lists show them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, and_, func, literal, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.models import Member
from leadvibe.core.database.queries import among
from leadvibe.core.database.repository import Repository
from leadvibe.core.database.transactions import raw
from leadvibe.core.http.paging import Page
from leadvibe.core.http.problems import Invalid, NotFound, constraint_means
from leadvibe.core.ranges import TimeSpan
from leadvibe.core.scope import Scope
from leadvibe.counts.counters import CounterChanges, update_counters
from leadvibe.counts.repository import CountRepository
from leadvibe.events.conditions import within
from leadvibe.events.models import Event
from leadvibe.identity.display import display_aliases
from leadvibe.identity.leads import LeadMerged, require_lead
from leadvibe.identity.models import Alias
from leadvibe.leads.metadata import patched
from leadvibe.leads.models import Lead
from leadvibe.leads.schemas import LeadCursor, LeadFilter
from leadvibe.scores.repository import Rulesets, ScoreRepository, Totals

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
    rank: int
    """The score that lists are sorted by: for a moment behind, when another ruleset becomes the primary."""

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
    Lead.score,
)

NEVER = text("'-infinity'::timestamptz")
RANK = (Lead.score, func.coalesce(Lead.last_event_at, NEVER), Lead.lead_id)
"""The highest score first, of equals the last active: as the index has it, so that a page costs what it shows."""


@dataclass(frozen=True, slots=True)
class ScoredLead(LeadRow):
    best_alias: str | None
    session_count: int
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
    end: LeadCursor | None
    """Where the next page goes on, if there is one."""


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
        found = await self._with_scores(query, await self._scores.rulesets(), TimeSpan())
        if not found:
            raise NotFound("There is no such lead here.")
        return found[0]

    async def list(self, where: LeadFilter, page: Page) -> LeadPage:
        """In the order of their rank; leads that were merged away are left out."""
        now = datetime.now(UTC)
        query = self.ranked(where, page, now)
        found = await self._with_scores(query, await self._scores.rulesets(), where.range.window(now))
        leads = found[: page.limit]
        end = _cursor(leads[-1]) if len(found) > page.limit else None
        return LeadPage(leads, await self._total(where, now), page.number, page.limit, end)

    def ranked(self, where: LeadFilter, page: Page, now: datetime) -> Select[*tuple[Any, ...]]:
        """The records of a page, and one more if there is another page."""
        query = self._records().where(*self._listed(where, now)).order_by(*(column.desc() for column in RANK))
        if where.start is None:
            return query.limit(page.limit + 1).offset(page.offset)
        score, seen, lead_id = where.start
        after = tuple_(*RANK) < tuple_(literal(score, BigInteger), seen or NEVER, lead_id)
        return query.where(after).limit(page.limit + 1)

    async def _total(self, where: LeadFilter, now: datetime) -> int:
        if not where.narrows:
            return await CountRepository(self.session, self.scope).leads()
        return await self.session.scalar(select(func.count()).select_from(Lead).where(*self._listed(where, now))) or 0

    def _listed(self, where: LeadFilter, now: datetime) -> Iterator[ColumnElement[bool]]:
        yield Lead.unit_id == self.scope.unit_id
        yield Lead.merged_into.is_(None)
        yield from _conditions(where, now)

    async def add(self, values: Mapping[str, Any]) -> LeadRow:
        await self._check_owner(values)
        lead = await self.create(values)
        await update_counters(await raw(self.session), CounterChanges(leads=Counter({self.scope.unit_id: 1})))
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
        await require_lead(self.session, self.scope, lead_id)
        query = select(Alias).where(Alias.unit_id == self.scope.unit_id, Alias.lead_id == lead_id)
        return (await self.session.scalars(query.order_by(Alias.created_at, Alias.kind, Alias.value))).all()

    async def _locked(self, lead_id: str) -> Lead:
        lead = await self.session.scalar(self._select().where(Lead.lead_id == lead_id).with_for_update(key_share=True))
        if lead is None:
            raise NotFound("There is no such lead here.")
        if lead.merged_into is not None:
            raise LeadMerged(lead_id, lead.merged_into)
        return lead

    def _records(self) -> Select[*tuple[Any, ...]]:
        owner = and_(Member.org_member_id == Lead.owner_id, Member.org_id == self.scope.org_id)
        return select(*COLUMNS).outerjoin(Member, owner).where(Lead.unit_id == self.scope.unit_id)

    async def _with_scores(
        self, query: Select[*tuple[Any, ...]], rulesets: Rulesets, window: TimeSpan
    ) -> Sequence[ScoredLead]:
        """Their sessions are counted in a window."""
        rows = (await self.session.execute(query)).all()
        lead_ids = [row.lead_id for row in rows]
        totals = await self._scores.totals(lead_ids)
        sessions = await self._sessions(lead_ids, window)
        names = await display_aliases(self.session, self.scope, lead_ids)
        primary = rulesets.primary.name if rulesets.primary else None
        leads: list[ScoredLead] = []
        for row in rows:
            own = totals.get(row.lead_id, {})
            shown = rulesets.score(row.lead_id, own, rulesets.primary)
            leads.append(
                ScoredLead(
                    self.scope.org_id,
                    self.scope.unit_id,
                    *row,
                    best_alias=names.get(row.lead_id),
                    session_count=sessions.get(row.lead_id, 0),
                    score=shown.score,
                    ruleset_id=shown.ruleset_id,
                    engagement_scores=shown.engagement_scores,
                    ruleset_names=rulesets.names,
                    engagement_primary_ruleset_name=primary,
                )
            )
        return leads

    async def _sessions(self, lead_ids: Sequence[str], window: TimeSpan) -> dict[str, int]:
        query = (
            select(Event.lead_id, func.count(Event.session_id.distinct()))
            .where(Event.unit_id == self.scope.unit_id, Event.lead_id == among(lead_ids), *within(window))
            .group_by(Event.lead_id)
        )
        return dict((await self.session.execute(query)).all())

    async def _check_owner(self, values: Mapping[str, Any]) -> None:
        owner_id = values.get("owner_id")
        query = select(Member.org_member_id).where(Member.org_id == self.scope.org_id, Member.org_member_id == owner_id)
        if owner_id is not None and await self.session.scalar(query) is None:
            raise Invalid.field("owner_id", "there is no such member in this organization")


def _cursor(lead: ScoredLead) -> LeadCursor:
    return LeadCursor(lead.rank, lead.last_event_at, lead.lead_id)


def _conditions(where: LeadFilter, now: datetime) -> Iterator[ColumnElement[bool]]:
    since, until = where.range.window(now)
    if since is not None:
        yield Lead.created_at >= since
    if until is not None:
        yield Lead.created_at < until
    if where.min_score is not None:
        yield Lead.score >= where.min_score
    if where.max_score is not None:
        yield Lead.score <= where.max_score
    if where.event_type is not None:
        yield Lead.last_event_type == where.event_type
    if where.last_active != "any":
        yield Lead.last_event_at >= now - timedelta(days=int(where.last_active.removesuffix("d")))
