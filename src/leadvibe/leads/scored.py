"""Leads with their scores: one lead, or a page of the list, highest score first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import BigInteger, ColumnElement, Select, func, literal, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.queries import among
from leadvibe.core.http.paging import Page
from leadvibe.core.ranges import TimeSpan
from leadvibe.core.scope import Scope
from leadvibe.counts.repository import CountRepository
from leadvibe.events.models import Event
from leadvibe.events.repository import within
from leadvibe.identity.display import display_aliases
from leadvibe.identity.leads import no_such_lead, survivor_of
from leadvibe.leads.models import Lead
from leadvibe.leads.repository import LeadRecord, select_records
from leadvibe.leads.schemas import LeadCursor, LeadFilter
from leadvibe.scores.repository import Rulesets, ScoreRepository, Totals

NEVER = text("'-infinity'::timestamptz")
RANKING = (Lead.score, func.coalesce(Lead.last_event_at, NEVER), Lead.lead_id)
"""Sort keys, all descending: score, then last activity, then id.

The index `ix_leads_ranking` has the same order, so a page is cheap; `test_query_plans.py` proves that it is used.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredLead(LeadRecord):
    best_alias: str | None
    session_count: int
    score: int
    ruleset_id: str | None
    engagement_scores: Totals
    ruleset_names: Mapping[str, str]
    engagement_primary_ruleset_name: str | None

    @property
    def lead(self) -> LeadRecord:
        """The record, for responses that nest it."""
        return self


@dataclass(frozen=True, slots=True)
class LeadPage:
    leads: Sequence[ScoredLead]
    total: int
    page: int
    limit: int
    next_cursor: LeadCursor | None
    """Where the next page starts; None on the last page."""


class ScoredLeads:
    isolation: ClassVar = "REPEATABLE READ"  # its queries must agree with each other

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope
        self._scores = ScoreRepository(session, scope)

    async def get(self, lead_id: str) -> ScoredLead:
        """The lead, or the one that it was merged into."""
        survivor, merged_from = await survivor_of(self.session, self.scope, lead_id)
        query = select_records(self.scope).where(Lead.lead_id == survivor)
        leads = await self._with_scores(query, await self._scores.rulesets(), TimeSpan())
        if not leads:
            raise no_such_lead()
        return replace(leads[0], merged_from=merged_from)

    async def list(self, where: LeadFilter, page: Page) -> LeadPage:
        """By ranking, without leads that were merged into another."""
        now = datetime.now(UTC)
        query = self.page_query(where, page, now)
        found = await self._with_scores(query, await self._scores.rulesets(), where.range.window(now))
        leads = found[: page.limit]
        next_cursor = _cursor(leads[-1]) if len(found) > page.limit else None
        return LeadPage(leads, await self._total(where, now), page.number, page.limit, next_cursor)

    def page_query(self, where: LeadFilter, page: Page, now: datetime) -> Select[*tuple[Any, ...]]:
        """The records of a page, and one more if there is a next page."""
        query = select_records(self.scope).where(*self._listed(where, now))
        query = query.order_by(*(column.desc() for column in RANKING))
        if where.start is None:
            return query.limit(page.limit + 1).offset(page.offset)
        score, last_event_at, lead_id = where.start
        after = tuple_(*RANKING) < tuple_(literal(score, BigInteger), last_event_at or NEVER, lead_id)
        return query.where(after).limit(page.limit + 1)

    async def _total(self, where: LeadFilter, now: datetime) -> int:
        if not where.narrows:
            return await CountRepository(self.session, self.scope).leads()
        return await self.session.scalar(select(func.count()).select_from(Lead).where(*self._listed(where, now))) or 0

    def _listed(self, where: LeadFilter, now: datetime) -> Iterator[ColumnElement[bool]]:
        yield Lead.unit_id == self.scope.unit_id
        yield Lead.merged_into.is_(None)
        yield from _conditions(where, now)

    async def _with_scores(
        self, query: Select[*tuple[Any, ...]], rulesets: Rulesets, window: TimeSpan
    ) -> Sequence[ScoredLead]:
        """Add the scores to selected records; `session_count` counts the sessions in the window."""
        rows = (await self.session.execute(query)).mappings().all()
        lead_ids = [row["lead_id"] for row in rows]
        totals = await self._scores.totals(lead_ids)
        sessions = await self._session_counts(lead_ids, window)
        aliases = await display_aliases(self.session, self.scope, lead_ids)
        leads: list[ScoredLead] = []
        for row in rows:
            lead_id = row["lead_id"]
            score = rulesets.score(lead_id, totals.get(lead_id, {}), rulesets.primary)
            leads.append(
                ScoredLead(
                    org_id=self.scope.org_id,
                    unit_id=self.scope.unit_id,
                    **row,
                    best_alias=aliases.get(lead_id),
                    session_count=sessions.get(lead_id, 0),
                    score=score.score,
                    ruleset_id=score.ruleset_id,
                    engagement_scores=score.engagement_scores,
                    ruleset_names=rulesets.names,
                    engagement_primary_ruleset_name=rulesets.primary.name if rulesets.primary else None,
                )
            )
        return leads

    async def _session_counts(self, lead_ids: Sequence[str], window: TimeSpan) -> dict[str, int]:
        query = (
            select(Event.lead_id, func.count(Event.session_id.distinct()))
            .where(Event.unit_id == self.scope.unit_id, Event.lead_id == among(lead_ids), *within(window))
            .group_by(Event.lead_id)
        )
        return dict((await self.session.execute(query)).all())


def _cursor(lead: ScoredLead) -> LeadCursor:
    return LeadCursor(lead.ranking_score, lead.last_event_at, lead.lead_id)


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
