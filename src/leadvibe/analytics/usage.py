"""The usage of an organization: the events that all its OUs received in the current calendar month (UTC)."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.models import Organization
from leadvibe.config import settings
from leadvibe.core.scope import OrgScope
from leadvibe.counts.models import UsageCount
from leadvibe.units.models import OrgUnit


@dataclass(frozen=True, slots=True)
class Usage:
    org_id: str
    org_name: str
    monthly_events: int
    monthly_limit: int | None

    @property
    def overage(self) -> bool:
        return self.monthly_limit is not None and self.monthly_events > self.monthly_limit


class UsageRepository:
    def __init__(self, session: AsyncSession, caller: OrgScope) -> None:
        self.session = session
        self.caller = caller

    async def this_month(self) -> Usage:
        organization = await self.session.get_one(Organization, self.caller.org_id)
        units = select(OrgUnit.unit_id).where(OrgUnit.org_id == self.caller.org_id)
        month = datetime.now(UTC).date().replace(day=1)
        query = select(func.sum(UsageCount.events)).where(UsageCount.unit_id.in_(units), UsageCount.month == month)
        events = int(await self.session.scalar(query) or 0)
        return Usage(organization.org_id, organization.name, events, settings().monthly_event_limit)
