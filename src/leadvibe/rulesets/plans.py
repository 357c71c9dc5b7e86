"""Caches compiled plans per process. Versions never change, so only new ones are read."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

from cachetools import LRUCache
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.transactions import Database, database
from leadvibe.engine import Plans
from leadvibe.rulesets.history import ConfigurationHistory
from leadvibe.rulesets.locks import share_configuration_locks
from leadvibe.rulesets.messages import primary_of
from leadvibe.rulesets.versions import read_versions
from leadvibe.units.models import OrgUnit


@dataclass(frozen=True, slots=True)
class UnitPlans:
    """An OU's compiled configuration."""

    plans: Plans
    history: ConfigurationHistory
    primary: str | None
    """The primary ruleset, whose total is the lead's score; None if the OU has no ruleset."""
    hidden: frozenset[str]
    """The event types that are hidden from users."""

    @classmethod
    def of(cls, plans: Plans, history: ConfigurationHistory) -> "UnitPlans":
        newest = history[plans.newest]
        hidden = frozenset(event_type for event_type, config in newest.event_types.items() if config.hidden)
        return cls(plans, history, primary_of(newest), hidden)

    def overall(self, totals: Mapping[str, int]) -> int:
        """The score in lists and levels."""
        return totals.get(self.primary, 0) if self.primary is not None else 0


MAX_UNITS: Final = 1_000
"""OUs whose plans stay in the memory of a process: those used last."""
_cache: WeakKeyDictionary[Database, LRUCache[str, UnitPlans]] = WeakKeyDictionary()


async def lock_plans(session: AsyncSession, unit_ids: Collection[str]) -> dict[str, UnitPlans]:
    """The current plans of OUs. Their configuration can't change until this transaction ends.

    Call it after the leads are locked. The next version's instant is then later than this transaction's commit, so no
    lead is folded past the start of a version that the fold doesn't know.
    """
    await share_configuration_locks(session, unit_ids)
    current = await session.execute(
        select(OrgUnit.unit_id, OrgUnit.config_version).where(OrgUnit.unit_id.in_(unit_ids))
    )
    return {unit_id: await read_plans(session, unit_id, version) for unit_id, version in current.all()}


async def read_plans(session: AsyncSession, unit_id: str, version: int) -> UnitPlans:
    """The OU's plans, with all versions up to at least this one.

    Don't call it in a transaction that has created a version: after a rollback, the version would stay in the cache.
    """
    units = _cache.setdefault(database(), LRUCache(MAX_UNITS))
    cached = units.get(unit_id)
    if cached is None or cached.plans.newest < version:
        history = ConfigurationHistory() if cached is None else cached.history.copy()
        extended = Plans.of if cached is None else cached.plans.extended
        versions = await read_versions(session, unit_id, history)
        # In a thread, because an OU may have thousands of versions.
        plans = await asyncio.to_thread(extended, versions, history)
        cached = units[unit_id] = UnitPlans.of(plans, history)
    return cached
