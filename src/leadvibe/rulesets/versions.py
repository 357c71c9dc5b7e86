"""Versions of an OU's configuration. Each stores the parts that it changes, and never changes itself."""

# Decoded JSON: values whose keys and items have no types.
# pyright: reportUnknownVariableType=false

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.models import Organization
from leadvibe.config import settings
from leadvibe.core.http.problems import NotFound, TooLarge
from leadvibe.core.ids import new_id
from leadvibe.core.instants import micros
from leadvibe.core.jobs.queue import enqueue
from leadvibe.core.scope import Scope
from leadvibe.engine import Configuration, Version
from leadvibe.limits import variable
from leadvibe.rulesets.current import read_configuration
from leadvibe.rulesets.history import ConfigurationHistory, PartChange
from leadvibe.rulesets.locks import lock_configurations
from leadvibe.rulesets.messages import AdvanceLeads, RankLeads, decay_settings, primary_of
from leadvibe.rulesets.models import ConfigPart, ConfigVersion, Ruleset
from leadvibe.rulesets.parts import SETTINGS, PartKey, join, load_part, split
from leadvibe.units.models import OrgUnit

FIRST_RULESET = "Engagement"


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
    before = await _current_parts(session, scope.unit_id)
    configuration = await read_configuration(session, scope)
    after = split(configuration)
    old, new = _texts(before), _texts(after)
    changed = [key for key in old.keys() | new.keys() if old.get(key) != new.get(key)]
    if current and not changed:
        return current
    _check_size(old, new)
    version = await _create_version(session, scope, current)
    await _replace_parts(session, scope.unit_id, version, {key: after.get(key) for key in changed})
    if current:
        await _enqueue_jobs(session, scope, join(before), configuration)
    return version


def _check_size(old: Mapping[PartKey, bytes], new: Mapping[PartKey, bytes]) -> None:
    """Refuse a change that makes the configuration larger than the limit. Settings are small, and don't count."""
    limit, size = settings().max_configuration_bytes, _size(new)
    if size > limit and size > _size(old):
        raise TooLarge(
            f"The rules, filters and other parts of the OU's configuration would have {size:,} bytes as JSON; at most "
            f"{limit:,} are allowed (setting {variable('max_configuration_bytes')})."
        )


def _size(texts: Mapping[PartKey, bytes]) -> int:
    return sum(len(text) for (kind, _), text in texts.items() if kind != SETTINGS)


def _texts(parts: Mapping[PartKey, Any]) -> dict[PartKey, bytes]:
    """The parts as JSON texts: 1, 1.0 and True are equal, but match different values in an attribute filter."""
    return {key: msgspec.json.encode(part, order="sorted") for key, part in parts.items()}


async def _create_version(session: AsyncSession, scope: Scope, current: int) -> int:
    created_at = select(ConfigVersion.created_at).where(ConfigVersion.unit_id == scope.unit_id)
    last = await session.scalar(created_at.where(ConfigVersion.version == current))
    now = func.clock_timestamp()
    version = ConfigVersion(
        unit_id=scope.unit_id,
        version=current + 1,
        # A later version must have a later instant, even if the clock steps back.
        created_at=now if last is None else func.greatest(now, last + timedelta(microseconds=1)),
        created_by=scope.actor.id,
    )
    session.add(version)
    # A new version doesn't count as an update of the OU itself.
    unit = update(OrgUnit).where(OrgUnit.unit_id == scope.unit_id)
    await session.execute(unit.values(config_version=version.version, updated_at=OrgUnit.updated_at))
    return version.version


async def _replace_parts(session: AsyncSession, unit_id: str, version: int, parts: Mapping[PartKey, Any]) -> None:
    """Store these parts as those of a version; None removes a part."""
    replaced = update(ConfigPart).where(
        ConfigPart.unit_id == unit_id,
        ConfigPart.superseded_in.is_(None),
        tuple_(ConfigPart.kind, ConfigPart.part_id).in_(list(parts)),
    )
    await session.execute(replaced.values(superseded_in=version).execution_options(synchronize_session=False))
    session.add_all(
        ConfigPart(unit_id=unit_id, version=version, kind=kind, part_id=part_id, part=part)
        for (kind, part_id), part in parts.items()
        if part is not None
    )
    await session.flush()


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


async def current_configuration(session: AsyncSession, scope: Scope) -> Configuration:
    """The configuration as the newest version has it."""
    return join(await _current_parts(session, scope.unit_id))


async def read_versions(session: AsyncSession, unit_id: str, history: ConfigurationHistory) -> Iterator[Version]:
    """Add the versions that the history doesn't have yet. Returns them one by one, oldest first."""
    newest = len(history)
    created = await session.execute(
        select(ConfigVersion.version, ConfigVersion.created_at)
        .where(ConfigVersion.unit_id == unit_id, ConfigVersion.version > newest)
        .order_by(ConfigVersion.version)
    )
    instants = {version: micros(created_at) for version, created_at in created}
    return history.add(instants, await _changes_after(session, unit_id, newest, max(instants, default=newest)))


async def _changes_after(session: AsyncSession, unit_id: str, newest: int, until: int) -> list[PartChange]:
    columns = (ConfigPart.kind, ConfigPart.part_id, ConfigPart.version, ConfigPart.superseded_in, ConfigPart.part)
    rows = await session.stream(
        select(*columns).where(
            ConfigPart.unit_id == unit_id, or_(ConfigPart.version > newest, ConfigPart.superseded_in > newest)
        )
    )
    removed, put = list[PartChange](), list[PartChange]()
    async for kind, part_id, version, superseded_in, part in rows:
        if version > newest:
            put.append(PartChange(version, (kind, part_id), load_part(kind, part_id, part)))
        if superseded_in is not None:
            removed.append(PartChange(superseded_in, (kind, part_id), None))
    # A version that replaces a part removes it first.
    changes = sorted([*removed, *put], key=lambda change: change.version)
    return [change for change in changes if change.version <= until]


async def _current_parts(session: AsyncSession, unit_id: str) -> dict[PartKey, Any]:
    rows = await session.execute(
        select(ConfigPart.kind, ConfigPart.part_id, ConfigPart.part).where(
            ConfigPart.unit_id == unit_id, ConfigPart.superseded_in.is_(None)
        )
    )
    return {(kind, part_id): part for kind, part_id, part in rows}


async def _current(session: AsyncSession, scope: Scope) -> int:
    current = await session.scalar(select(OrgUnit.config_version).where(OrgUnit.unit_id == scope.unit_id))
    if current is None:
        raise NotFound
    return current
