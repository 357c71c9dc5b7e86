"""Reads and writes the records of leads."""

# Decoded JSON: values whose keys and items nothing types.
# pyright: reportUnknownVariableType=false

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, and_, func, select, union_all

from leadvibe.access.models import Member
from leadvibe.core.database.repository import Repository
from leadvibe.core.database.transactions import raw
from leadvibe.core.http.paging import Page
from leadvibe.core.http.problems import Invalid, constraint_means
from leadvibe.core.scope import Scope
from leadvibe.counts.counters import CounterChanges, update_counters
from leadvibe.identity.aliases import STRENGTH
from leadvibe.identity.leads import LeadMerged, no_such_lead, survivor_of
from leadvibe.identity.models import Alias
from leadvibe.ingest.metadata_field import merge_metadata
from leadvibe.leads.models import Lead

MAX_COUNTED_ALIASES: Final = 10_000
"""Aliases of a lead that are always counted. One lead may have many more."""

constraint_means("pk_leads", "A lead with this id already exists.")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadRecord:
    """A lead's own columns and the name of its owner."""

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
    ranking_score: int
    """The score that lists are sorted by. It lags behind for a moment when another ruleset becomes the primary."""
    merged_from: str | None = None
    """The id that was asked for, if that lead was merged into this one."""

    @property
    def account(self) -> dict[str, Any]:
        """The lead's account, `{}` if it has none. Only the id is known, because accounts are not stored here."""
        if self.account_id is None:
            return {}
        return {"account_id": self.account_id, "domain": None, "name": None, "metadata": {}}


@dataclass(frozen=True, slots=True)
class AliasPage:
    items: Sequence[Alias]
    total: int | None
    """None if it takes long to count."""
    has_next: bool
    merged_from: str | None


class LeadRepository(Repository[Lead]):
    model = Lead

    async def record(self, lead_id: str) -> LeadRecord:
        """The lead's record, or that of the lead that it was merged into."""
        survivor, merged_from = await survivor_of(self.session, self.scope, lead_id)
        query = select_records(self.scope).where(Lead.lead_id == survivor)
        row = (await self.session.execute(query)).mappings().one_or_none()
        if row is None:  # deleted since
            raise no_such_lead()
        return LeadRecord(org_id=self.scope.org_id, unit_id=self.scope.unit_id, merged_from=merged_from, **row)

    async def add(self, values: Mapping[str, Any]) -> LeadRecord:
        await self._check_owner(values)
        lead = await self.create(values)
        await update_counters(await raw(self.session), CounterChanges(leads=Counter({self.scope.unit_id: 1})))
        return await self.record(lead.lead_id)

    async def change(self, lead_id: str, values: Mapping[str, Any]) -> LeadRecord:
        await self._check_owner(values)
        await self.update(await self.lock(lead_id), values)
        return await self.record(lead_id)

    async def patch_metadata(self, lead_id: str, changes: Mapping[str, Any]) -> LeadRecord:
        lead = await self.lock(lead_id)
        await self.update(lead, {"attributes": merge_metadata(lead.attributes, changes)})
        return await self.record(lead_id)

    async def aliases(self, lead_id: str, page: Page, *, counted: bool) -> AliasPage:
        """Oldest first. More than MAX_COUNTED_ALIASES are only counted if the total is wanted."""
        lead_id, merged_from = await survivor_of(self.session, self.scope, lead_id)
        aliases = (await self.session.scalars(aliases_of(self.scope, lead_id, page))).all()
        of_lead = select(Alias.kind).where(Alias.unit_id == self.scope.unit_id, Alias.lead_id == lead_id)
        bound = of_lead if counted else of_lead.limit(MAX_COUNTED_ALIASES + 1)
        total = await self.session.scalar(select(func.count()).select_from(bound.subquery())) or 0
        shown = total if counted or total <= MAX_COUNTED_ALIASES else None
        return AliasPage(aliases[: page.limit], shown, len(aliases) > page.limit, merged_from)

    async def lock(self, lead_id: str) -> Lead:
        """Lock a lead until the transaction ends. Raises NotFound, or LeadMerged if it was merged into another."""
        lead = await self.session.scalar(self._select().where(Lead.lead_id == lead_id).with_for_update(key_share=True))
        if lead is None:
            raise no_such_lead()
        if lead.merged_into is not None:
            raise LeadMerged(lead_id, lead.merged_into)
        return lead

    async def _check_owner(self, values: Mapping[str, Any]) -> None:
        owner_id = values.get("owner_id")
        query = select(Member.org_member_id).where(Member.org_id == self.scope.org_id, Member.org_member_id == owner_id)
        if owner_id is not None and await self.session.scalar(query) is None:
            raise Invalid.field("owner_id", "must be the id of a member of this organization")


def select_records(scope: Scope) -> Select[*tuple[Any, ...]]:
    """Select the columns of LeadRecord, under its field names, for the leads of an OU."""
    owner = and_(Member.org_member_id == Lead.owner_id, Member.org_id == scope.org_id)
    return (
        select(
            Lead.lead_id,
            Lead.account_id,
            Lead.owner_id,
            (Member.first_name + " " + Member.last_name).label("owner_name"),
            Lead.created_at,
            Lead.updated_at,
            Lead.merged_into,
            Lead.attributes.label("metadata"),
            Lead.last_event_at,
            Lead.last_event_type,
            Lead.score_reset_at,
            Lead.score.label("ranking_score"),
        )
        .outerjoin(Member, owner)
        .where(Lead.unit_id == scope.unit_id)
    )


def aliases_of(scope: Scope, lead_id: str, page: Page) -> Select[Alias]:
    """A page of a lead's aliases, oldest first, and one more alias if there is a next page.

    Each kind has a limit of its own, so that its part of the index `ix_aliases_of_lead` is read in order.
    """
    parts = [
        select(Alias.kind, Alias.value)
        .add_columns(Alias.created_at)
        .where(Alias.unit_id == scope.unit_id, Alias.lead_id == lead_id, Alias.kind == kind)
        .order_by(Alias.created_at, Alias.value)
        .limit(page.offset + page.limit + 1)
        for kind in STRENGTH
    ]
    merged = union_all(*parts).subquery()
    oldest_first = (merged.c.created_at, merged.c.kind, merged.c.value)
    keys = select(merged).order_by(*oldest_first).limit(page.limit + 1).offset(page.offset).subquery()
    same = and_(Alias.unit_id == scope.unit_id, Alias.kind == keys.c.kind, Alias.value == keys.c.value)
    return select(Alias).join(keys, same).order_by(Alias.created_at, Alias.kind, Alias.value)
