"""Usage: the events that an organization's OUs received in the current calendar month (UTC)."""

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
    unit_monthly_events: int | None
    monthly_limit: int | None

    @property
    def overage(self) -> bool:
        return self.monthly_limit is not None and self.monthly_events > self.monthly_limit


class UsageRepository:
    def __init__(self, session: AsyncSession, caller: OrgScope) -> None:
        self.session = session
        self.caller = caller

    async def this_month(self, unit_id: str | None) -> Usage:
        """The usage of all OUs, and of one of them if it is given."""
        organization = await self.session.get_one(Organization, self.caller.org_id)
        units = select(OrgUnit.unit_id).where(OrgUnit.org_id == self.caller.org_id)
        month = datetime.now(UTC).date().replace(day=1)
        query = (
            select(UsageCount.unit_id, func.sum(UsageCount.events))
            .where(UsageCount.unit_id.in_(units), UsageCount.month == month)
            .group_by(UsageCount.unit_id)
        )
        events = {unit: int(count) for unit, count in await self.session.execute(query)}
        of_unit = None if unit_id is None else events.get(unit_id, 0)
        limit = settings().monthly_event_limit
        return Usage(organization.org_id, organization.name, sum(events.values()), of_unit, limit)
