"""Whether a lead is here at all."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.problems import NotFound
from leadvibe.core.scope import Scope
from leadvibe.leads.models import Lead


async def demand_lead(session: AsyncSession, scope: Scope, lead_id: str) -> None:
    query = select(Lead.lead_id).where(Lead.unit_id == scope.unit_id, Lead.lead_id == lead_id)
    if await session.scalar(query) is None:
        raise NotFound("There is no such lead here.")
