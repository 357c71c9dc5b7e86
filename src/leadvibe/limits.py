"""Limits on how many objects of a kind exist. Each is a setting whose default no normal user meets."""

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.config import settings
from leadvibe.core.http.problems import Conflict


class LimitReached(Conflict):
    """There are as many objects of a kind as a setting allows."""


def variable(setting: str) -> str:
    """The environment variable of a setting, for messages."""
    return f"LEADVIBE_{setting.upper()}"


async def check_limit(session: AsyncSession, existing: Select[Any], setting: str, *, noun: str) -> None:
    """Raise LimitReached if one more row would be more than the setting allows.

    Unless the caller holds a lock, concurrent requests may exceed the limit by their number.
    """
    limit = getattr(settings(), setting)
    count = await session.scalar(select(func.count()).select_from(existing.order_by(None).limit(limit).subquery()))
    if count is not None and count >= limit:
        raise LimitReached(f"There are {limit:,} {noun} already, which is the limit (setting {variable(setting)}).")
