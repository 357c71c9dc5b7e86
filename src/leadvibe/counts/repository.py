"""Reads the counters of leads and events."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.scope import Scope
from leadvibe.counts.models import EventCount, LeadCount


class CountRepository:
    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def leads(self) -> int:
        """The number of leads, without those that were merged into another."""
        query = select(func.sum(LeadCount.leads)).where(LeadCount.unit_id == self.scope.unit_id)
        return int(await self.session.scalar(query) or 0)

    async def events(self, event_type: str | None = None) -> int:
        """The number of processed events, of one type or of all."""
        query = select(func.sum(EventCount.events)).where(EventCount.unit_id == self.scope.unit_id)
        if event_type is not None:
            query = query.where(EventCount.event_type == event_type)
        return int(await self.session.scalar(query) or 0)

    async def events_by_type(self) -> dict[str, int]:
        """The number of events by type, without types that have no events."""
        events = func.sum(EventCount.events)
        query = (
            select(EventCount.event_type, events)
            .where(EventCount.unit_id == self.scope.unit_id)
            .group_by(EventCount.event_type)
            .having(events > 0)
        )
        return {event_type: int(number) for event_type, number in await self.session.execute(query)}
