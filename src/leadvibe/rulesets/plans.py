"""Compiled plans, kept by each process: a version never changes, so only what is new is read and compiled."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.transactions import Database, database
from leadvibe.engine import Plans, Version
from leadvibe.rulesets.locks import share_configuration_locks
from leadvibe.rulesets.messages import primary_of
from leadvibe.rulesets.versions import versions_after
from leadvibe.units.models import OrgUnit


@dataclass(frozen=True, slots=True)
class UnitPlans:
    """An OU's compiled configuration."""

    plans: Plans
    primary: str | None
    """The ruleset whose total is "the" score; None where the OU has no ruleset."""
    hidden: frozenset[str]
    """The event types that aren't shown."""

    @classmethod
    def of(cls, plans: Plans, newest: Version) -> "UnitPlans":
        _, _, snapshot = newest
        event_types = snapshot.get("event_types", {})
        hidden = frozenset(event_type for event_type, config in event_types.items() if config.get("hidden"))
        return cls(plans, primary_of(snapshot), hidden)

    def overall(self, totals: Mapping[str, int]) -> int:
        """The score that lists and levels show."""
        return totals.get(self.primary, 0) if self.primary is not None else 0


_kept: WeakKeyDictionary[Database, dict[str, UnitPlans]] = WeakKeyDictionary()


async def lock_plans(session: AsyncSession, unit_ids: Collection[str]) -> dict[str, UnitPlans]:
    """The current plans of OUs, whose configuration stays as it is until this transaction ends.

    Asked for after the leads are locked, so that nobody folds a lead past a version without knowing it: the instant of
    the next version is later than the commit.
    """
    await share_configuration_locks(session, unit_ids)
    current = await session.execute(
        select(OrgUnit.unit_id, OrgUnit.config_version).where(OrgUnit.unit_id.in_(unit_ids))
    )
    return {unit_id: await read_plans(session, unit_id, version) for unit_id, version in current.all()}


async def read_plans(session: AsyncSession, unit_id: str, version: int) -> UnitPlans:
    """The OU's plans, with all versions up to this one at least.

    Not in a transaction that has made a version itself: what it rolls back would be kept.
    """
    units = _kept.setdefault(database(), {})
    kept = units.get(unit_id)
    if kept is None:
        versions = await versions_after(session, unit_id, 0)
        kept = units[unit_id] = UnitPlans.of(Plans.of(versions), versions[-1])
    elif kept.plans.newest < version:
        versions = await versions_after(session, unit_id, kept.plans.newest)
        kept = units[unit_id] = UnitPlans.of(kept.plans.extended(versions), versions[-1])
    return kept
