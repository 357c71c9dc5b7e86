"""Reads the current configuration of an OU from its rulesets, rules, policies and settings."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Executable, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.models import Organization
from leadvibe.core.instants import show_instant
from leadvibe.core.scope import Scope
from leadvibe.engine import Configuration, effective_policy
from leadvibe.engine.configuration import EffectiveSurge, SurgeConfig
from leadvibe.events.models import EventType
from leadvibe.rulesets.models import Decay, InorganicFilter, Rule, Ruleset, SurgePolicy
from leadvibe.units.models import OrgUnit

Row = dict[str, Any]


async def read_configuration(session: AsyncSession, scope: Scope) -> Configuration:
    """The current configuration of the OU.

    Reads columns instead of entities, because the session may hold outdated entities.
    """
    rows = {
        "rulesets": await _rows(session, _rulesets(scope)),
        "rules": await _rows(session, _rules(scope)),
        "surge_policy": msgspec.to_builtins(await read_surge_policy(session, scope)),
        "decays": await _rows(session, _decays(scope)),
        "filters": await _rows(session, _filters(scope)),
        "event_types": await _event_types(session, scope),
        **await _settings(session, scope),
    }
    return msgspec.convert(rows, Configuration)


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


async def read_surge_policy(session: AsyncSession, scope: Scope) -> EffectiveSurge:
    """The surge policy in effect. The default is the mode `standard`."""
    query = select(
        SurgePolicy.mode, SurgePolicy.bands, SurgePolicy.idle_reset_seconds, SurgePolicy.multiplier_cap
    ).where(SurgePolicy.unit_id == scope.unit_id)
    rows = await _rows(session, query)
    return effective_policy(msgspec.convert(rows[0], SurgeConfig) if rows else SurgeConfig(mode="standard"))


async def _event_types(session: AsyncSession, scope: Scope) -> dict[str, Row]:
    """Only the restricted event types: a new event type doesn't change the configuration."""
    query = (
        select(EventType.event_type, EventType.hidden, EventType.max_processing_scope)
        .where(EventType.unit_id == scope.unit_id)
        .where(or_(EventType.hidden, EventType.max_processing_scope != "activate"))
        .order_by(EventType.event_type)
    )
    return {row.pop("event_type"): row for row in await _rows(session, query)}


async def _settings(session: AsyncSession, scope: Scope) -> Row:
    query = (
        select(Organization.allow_negative_scores, OrgUnit.session_timeout_minutes)
        .join(OrgUnit, OrgUnit.org_id == Organization.org_id)
        .where(OrgUnit.unit_id == scope.unit_id)
    )
    (settings,) = await _rows(session, query)
    return settings


async def _rows(session: AsyncSession, query: Executable) -> list[Row]:
    rows = (await session.execute(query)).mappings()
    return [{name: _json_value(value) for name, value in row.items()} for row in rows]


def _json_value(value: Any) -> Any:
    return show_instant(value) if isinstance(value, datetime) else value
