"""Checks that a lead exists, and that it was not merged into another one."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.http.problems import Conflict, NotFound
from leadvibe.core.scope import Scope
from leadvibe.leads.models import Lead


async def require_lead(session: AsyncSession, scope: Scope, lead_id: str) -> None:
    """Raise NotFound if the OU has no such lead. A merged lead is accepted."""
    query = select(Lead.lead_id).where(Lead.unit_id == scope.unit_id, Lead.lead_id == lead_id)
    if await session.scalar(query) is None:
        raise NotFound("There is no such lead here.")


class LeadMerged(Conflict):
    """The lead was merged into another one, which the client must use instead."""

    def __init__(self, lead_id: str, merged_into: str) -> None:
        super().__init__(f"The lead {lead_id} was merged into {merged_into}.")
