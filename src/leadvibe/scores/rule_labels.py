"""The attribute filters of rules in words, as they were when the rules paid."""

# Decoded JSON: values whose keys and items have no types.
# pyright: reportUnknownVariableType=false

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.queries import among
from leadvibe.core.scope import Scope
from leadvibe.rulesets.models import PART_OF_VERSION, ConfigPart, ConfigVersion

Labels = dict[tuple[int | None, str], str | None]
"""Filter labels by configuration version and rule id."""


async def rule_labels(
    session: AsyncSession, scope: Scope, versions: Collection[int | None], rule_ids: Collection[str]
) -> Labels:
    """They come from the configuration's versions, because a rule may have been changed or deleted after it paid."""
    query = (
        select(ConfigVersion.version, ConfigPart.part_id, ConfigPart.part["attribute_filters"])
        .join(ConfigPart, PART_OF_VERSION)
        .where(
            ConfigVersion.unit_id == scope.unit_id,
            ConfigVersion.version.in_(versions),
            ConfigPart.kind == "rules",
            ConfigPart.part_id == among(rule_ids),
        )
    )
    return {(version, rule_id): label(filters) for version, rule_id, filters in await session.execute(query)}


def label(filters: Iterable[Mapping[str, Any]] | None) -> str | None:
    """A rule's attribute filters in words, such as `path contains /pricing and plan equals pro or team`."""
    return " and ".join(_condition(each) for each in filters or ()) or None


def _condition(each: Mapping[str, Any]) -> str:
    value: list[Any] | str | float | None = each.get("value")
    values = value if isinstance(value, list) else [] if value is None else [value]
    operator = str(each["operator"]).replace("_", " ")
    return f"{each['field']} {operator} {' or '.join(map(str, values))}".rstrip()
