"""A configuration as it stands: everything that scoring depends on, as plain JSON."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import Executable, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.models import Organization
from leadvibe.core.instants import show_instant
from leadvibe.core.scope import Scope
from leadvibe.engine import effective_policy
from leadvibe.engine.configuration import EffectiveSurge, SurgeConfig
from leadvibe.events.models import EventType
from leadvibe.rulesets.models import Decay, InorganicFilter, Rule, Ruleset, SurgePolicy
from leadvibe.units.models import OrgUnit

Snapshot = dict[str, Any]


async def snapshot_of(session: AsyncSession, scope: Scope) -> Snapshot:
    """Columns, never entities: they are read as they are now, not as the session remembers them."""
    return {
        "rulesets": await _objects(session, _rulesets(scope)),
        "rules": await _objects(session, _rules(scope)),
        "surge_policy": await surge_policy_of(session, scope),
        "decays": await _objects(session, _decays(scope)),
        "filters": await _objects(session, _filters(scope)),
        "event_types": await _event_types(session, scope),
        **await _settings(session, scope),
    }


def _rulesets(scope: Scope) -> Executable:
    return (
        select(Ruleset.ruleset_id, Ruleset.active, Ruleset.is_primary, Ruleset.start_at, Ruleset.end_at)
        .where(Ruleset.unit_id == scope.unit_id)
        .order_by(Ruleset.ruleset_id)
    )


def _rules(scope: Scope) -> Executable:
    return (
        select(
            Rule.rule_id,
            Rule.ruleset_id,
            Rule.event_type,
            Rule.weight,
            Rule.active,
            Rule.start_at,
            Rule.end_at,
            Rule.attribute_filters,
            Rule.max_per_lead,
        )
        .where(Rule.unit_id == scope.unit_id)
        .order_by(Rule.rule_id)
    )


def _decays(scope: Scope) -> Executable:
    return (
        select(Decay.decay_id, Decay.inactive_for, Decay.unit, Decay.decrease)
        .where(Decay.unit_id == scope.unit_id, Decay.active)
        .order_by(Decay.decay_id)
    )


def _filters(scope: Scope) -> Executable:
    return (
        select(
            InorganicFilter.filter_id,
            InorganicFilter.event_type,
            InorganicFilter.count_threshold,
            InorganicFilter.time_window_ms,
            InorganicFilter.group_events,
        )
        .where(InorganicFilter.unit_id == scope.unit_id)
        .order_by(InorganicFilter.filter_id)
    )


async def surge_policy_of(session: AsyncSession, scope: Scope) -> EffectiveSurge:
    """An OU that stored nothing runs Standard."""
    query = select(
        SurgePolicy.mode, SurgePolicy.bands, SurgePolicy.idle_reset_seconds, SurgePolicy.multiplier_cap
    ).where(SurgePolicy.unit_id == scope.unit_id)
    stored = await _objects(session, query)
    return effective_policy(cast(SurgeConfig, stored[0]) if stored else {"mode": "standard"})


async def _event_types(session: AsyncSession, scope: Scope) -> Snapshot:
    """Only those that are held back: to see a new type of event is no change of the configuration."""
    query = (
        select(EventType.event_type, EventType.hidden, EventType.max_processing_scope)
        .where(EventType.unit_id == scope.unit_id)
        .where(or_(EventType.hidden, EventType.max_processing_scope != "activate"))
        .order_by(EventType.event_type)
    )
    return {row.pop("event_type"): row for row in await _objects(session, query)}


async def _settings(session: AsyncSession, scope: Scope) -> Snapshot:
    query = (
        select(Organization.allow_negative_scores, OrgUnit.session_timeout_minutes)
        .join(OrgUnit, OrgUnit.org_id == Organization.org_id)
        .where(OrgUnit.unit_id == scope.unit_id)
    )
    (settings,) = await _objects(session, query)
    return settings


async def _objects(session: AsyncSession, query: Executable) -> list[Snapshot]:
    rows = (await session.execute(query)).mappings()
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    return show_instant(value) if isinstance(value, datetime) else value
