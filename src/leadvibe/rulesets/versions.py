"""Versions of an OU's configuration: each change to what scoring depends on, kept as a snapshot that never changes."""

# Decoded JSON: values whose keys and items nothing types.
# pyright: reportUnknownVariableType=false

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.models import Organization
from leadvibe.core.http.problems import NotFound
from leadvibe.core.ids import new_id
from leadvibe.core.instants import micros
from leadvibe.core.jobs.queue import enqueue
from leadvibe.core.scope import Scope
from leadvibe.engine import Version
from leadvibe.rulesets.locks import lock_configurations
from leadvibe.rulesets.messages import AdvanceLeads, RankLeads, decay_settings, primary_of
from leadvibe.rulesets.models import ConfigVersion, Ruleset
from leadvibe.rulesets.snapshots import snapshot_of
from leadvibe.units.models import OrgUnit

FIRST_RULESET = "Engagement"


@asynccontextmanager
async def configuration_change(session: AsyncSession, scope: Scope) -> AsyncGenerator[None]:
    """What is changed inside becomes one new version; a change that scoring doesn't depend on becomes none.

    Edits follow one another from before anything is read until the commit, so that none decides on what another is
    about to change, and no version is lost.
    """
    await lock_configurations(session, [scope.unit_id])
    yield
    await new_version(session, scope)


async def new_version(session: AsyncSession, scope: Scope) -> int:
    """Keep the configuration as it is now; the number of the version that is current after that."""
    await lock_configurations(session, [scope.unit_id])
    current = await _current(session, scope)
    snapshot = await snapshot_of(session, scope)
    last = (
        await session.execute(
            select(
                ConfigVersion.created_at,
                ConfigVersion.snapshot,
                (ConfigVersion.snapshot == snapshot).label("unchanged"),
            )
            .where(ConfigVersion.unit_id == scope.unit_id)
            .where(ConfigVersion.version == current)
        )
    ).one_or_none()
    if last is not None and last.unchanged:
        return current
    now = func.clock_timestamp()
    version = ConfigVersion(
        unit_id=scope.unit_id,
        version=current + 1,
        snapshot=snapshot,
        # Timelines are read off these instants, so that of a later version is later, whatever the clock does.
        created_at=now if last is None else func.greatest(now, last.created_at + timedelta(microseconds=1)),
        created_by=scope.actor.id,
    )
    session.add(version)
    # That the OU itself was changed is another matter, and another time.
    unit = update(OrgUnit).where(OrgUnit.unit_id == scope.unit_id)
    await session.execute(unit.values(config_version=version.version, updated_at=OrgUnit.updated_at))
    if last is not None and decay_settings(last.snapshot) != decay_settings(snapshot):
        await enqueue(session, AdvanceLeads(scope.org_id, scope.unit_id), dedupe=scope.unit_id)
    if last is not None and primary_of(last.snapshot) != primary_of(snapshot):
        await enqueue(session, RankLeads(scope.org_id, scope.unit_id), dedupe=scope.unit_id)
    return version.version


async def create_configuration(session: AsyncSession, scope: Scope) -> None:
    """Give a new OU, made in this transaction, its primary ruleset and the first version of its configuration."""
    await session.flush()
    # Until the commit, who changes the organization's toggles doesn't see this OU: so they stay what they are.
    organization = select(Organization.org_id).where(Organization.org_id == scope.org_id)
    await session.execute(organization.with_for_update(read=True))
    session.add(
        Ruleset(
            unit_id=scope.unit_id,
            ruleset_id=new_id("rs"),
            name=FIRST_RULESET,
            is_primary=True,
            created_by=scope.actor.id,
            updated_by=scope.actor.id,
        )
    )
    await new_version(session, scope)


async def versions_after(session: AsyncSession, unit_id: str, version: int) -> list[Version]:
    """The versions made since, oldest first."""
    rows = await session.stream(
        select(ConfigVersion.version, ConfigVersion.created_at, ConfigVersion.snapshot)
        .where(ConfigVersion.unit_id == unit_id, ConfigVersion.version > version)
        .order_by(ConfigVersion.version)
    )
    parts: dict[str, Any] = {}
    return [(row.version, micros(row.created_at), _sharing(row.snapshot, parts)) async for row in rows]


def _sharing(snapshot: dict[str, Any], parts: dict[str, Any]) -> Any:
    """The same snapshot, made of parts that are there already: an edit changes one rule of many, and all are kept."""

    def shared(part: Any) -> Any:
        return parts.setdefault(repr(part), part)

    return {
        name: [shared(part) for part in value] if isinstance(value, list) else shared(value)
        for name, value in snapshot.items()
    }


async def _current(session: AsyncSession, scope: Scope) -> int:
    current = await session.scalar(select(OrgUnit.config_version).where(OrgUnit.unit_id == scope.unit_id))
    if current is None:
        raise NotFound
    return current
