"""Versions of an OU's configuration: each change that scoring depends on is stored as an immutable snapshot."""

# Decoded JSON: values whose keys and items have no types.
# pyright: reportUnknownVariableType=false

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.models import Organization
from leadvibe.core.http.problems import NotFound
from leadvibe.core.ids import new_id
from leadvibe.core.instants import micros
from leadvibe.core.jobs.queue import enqueue
from leadvibe.core.scope import Scope
from leadvibe.engine import Configuration, Version
from leadvibe.rulesets.locks import lock_configurations
from leadvibe.rulesets.messages import AdvanceLeads, RankLeads, decay_settings, primary_of
from leadvibe.rulesets.models import ConfigVersion, Ruleset
from leadvibe.rulesets.snapshots import dump_configuration, load_configuration, read_configuration
from leadvibe.units.models import OrgUnit

FIRST_RULESET = "Engagement"

Part = TypeVar("Part")


@asynccontextmanager
async def configuration_change(session: AsyncSession, scope: Scope) -> AsyncGenerator[None]:
    """Record the changes made inside as one new version. Changes that scoring doesn't depend on make no version.

    Holds the OU's configuration lock until the commit. Concurrent changes wait, so that each reads the result of the
    one before it and no version is lost.
    """
    await lock_configurations(session, [scope.unit_id])
    yield
    await new_version(session, scope)


async def new_version(session: AsyncSession, scope: Scope) -> int:
    """Store the configuration as a new version, unless it is unchanged; return the number of the current version."""
    await lock_configurations(session, [scope.unit_id])
    current = await _current(session, scope)
    configuration = await read_configuration(session, scope)
    snapshot = dump_configuration(configuration)
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
        # A later version must have a later instant, even if the clock steps back.
        created_at=now if last is None else func.greatest(now, last.created_at + timedelta(microseconds=1)),
        created_by=scope.actor.id,
    )
    session.add(version)
    # A new version doesn't count as an update of the OU itself.
    unit = update(OrgUnit).where(OrgUnit.unit_id == scope.unit_id)
    await session.execute(unit.values(config_version=version.version, updated_at=OrgUnit.updated_at))
    if last is not None:
        await _enqueue_jobs(session, scope, load_configuration(last.snapshot), configuration)
    return version.version


async def _enqueue_jobs(session: AsyncSession, scope: Scope, before: Configuration, after: Configuration) -> None:
    if decay_settings(before) != decay_settings(after):
        await enqueue(session, AdvanceLeads(scope.org_id, scope.unit_id), dedupe=scope.unit_id)
    if primary_of(before) != primary_of(after):
        await enqueue(session, RankLeads(scope.org_id, scope.unit_id), dedupe=scope.unit_id)


async def create_configuration(session: AsyncSession, scope: Scope) -> None:
    """Create the primary ruleset and the first configuration version of an OU created in this transaction."""
    await session.flush()
    # A concurrent change of the organization's settings can't see this OU before the commit, so it has to wait.
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
    """The versions after this one, oldest first."""
    rows = await session.stream(
        select(ConfigVersion.version, ConfigVersion.created_at, ConfigVersion.snapshot)
        .where(ConfigVersion.unit_id == unit_id, ConfigVersion.version > version)
        .order_by(ConfigVersion.version)
    )
    parts: dict[str, Any] = {}
    return [
        Version(row.version, micros(row.created_at), intern_parts(load_configuration(row.snapshot), parts))
        async for row in rows
    ]


def intern_parts(configuration: Configuration, parts: dict[str, Any]) -> Configuration:
    """The same configuration, with equal parts shared among versions.

    All versions stay in memory, and most edits change one rule of many.
    """

    def shared(part: Part) -> Part:
        # The key is the text, because 1, 1.0 and True are equal but match different values in an attribute filter.
        return parts.setdefault(repr(part), part)

    def each_shared(sequence: Iterable[Part]) -> tuple[Part, ...]:
        return tuple(shared(part) for part in sequence)

    return replace(
        configuration,
        rulesets=each_shared(configuration.rulesets),
        rules=each_shared(configuration.rules),
        surge_policy=shared(configuration.surge_policy),
        decays=each_shared(configuration.decays),
        filters=each_shared(configuration.filters),
        event_types=shared(configuration.event_types),
    )


async def _current(session: AsyncSession, scope: Scope) -> int:
    current = await session.scalar(select(OrgUnit.config_version).where(OrgUnit.unit_id == scope.unit_id))
    if current is None:
        raise NotFound
    return current
