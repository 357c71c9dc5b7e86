"""Finds the lead that an id means: the lead itself, or the one that it was merged into."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.queries import among
from leadvibe.core.http.problems import Conflict, NotFound
from leadvibe.core.scope import Scope
from leadvibe.leads.models import Lead


class _Filter(Protocol):
    lead_id: str | None

    def model_copy(self, *, update: Mapping[str, Any]) -> Self: ...


F = TypeVar("F", bound=_Filter)


class SurvivingLead(NamedTuple):
    """The lead whose data answers a read."""

    lead_id: str
    merged_from: str | None
    """The id that was asked for, if that lead was merged into this one."""


async def survivor_of(session: AsyncSession, scope: Scope, lead_id: str) -> SurvivingLead:
    """The lead that a read of this id shows. Raises NotFound if the OU has no lead with this id."""
    survivors = await survivors_of(session, scope, [lead_id])
    if lead_id not in survivors:
        raise no_such_lead()
    survivor = survivors[lead_id]
    return SurvivingLead(survivor, None if survivor == lead_id else lead_id)


async def survivors_of(session: AsyncSession, scope: Scope, lead_ids: Collection[str]) -> dict[str, str]:
    """The surviving lead of each id; ids of leads that don't exist are missing.

    One step is enough: a merge also redirects the leads that were merged into its sources before.
    """
    query = select(Lead.lead_id, func.coalesce(Lead.merged_into, Lead.lead_id)).where(
        Lead.unit_id == scope.unit_id, Lead.lead_id == among(lead_ids)
    )
    return dict((await session.execute(query)).all())


async def following_merge(session: AsyncSession, scope: Scope, where: F) -> tuple[F, str | None]:
    """The filter of a list by the surviving lead, and the id in the filter if that lead was merged.

    A filter by a lead that doesn't exist stays as it is: it matches nothing.
    """
    if where.lead_id is None:
        return where, None
    survivor = (await survivors_of(session, scope, [where.lead_id])).get(where.lead_id, where.lead_id)
    if survivor == where.lead_id:
        return where, None
    return where.model_copy(update={"lead_id": survivor}), where.lead_id


def no_such_lead() -> NotFound:
    return NotFound("There is no lead with this id in the active OU.")


class LeadMerged(Conflict):
    """The lead was merged into another one, which the client must use instead."""

    def __init__(self, lead_id: str, merged_into: str) -> None:
        super().__init__(f"The lead {lead_id} was merged into {merged_into}. Send this request for {merged_into}.")
        self.merged_into = merged_into

    def body(self) -> dict[str, Any]:
        return super().body() | {"merged_into": self.merged_into}
