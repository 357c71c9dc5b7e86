"""Removes a deleted lead's id from the parameters and cursors of unfinished jobs, and from results of simulations."""

# Decoded JSON: values whose keys and items have no types.
# pyright: reportUnknownVariableType=false

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.jobs.models import Job
from leadvibe.core.scope import Scope
from leadvibe.leads.models import Lead


async def remove_from_jobs(session: AsyncSession, scope: Scope, lead_ids: Collection[str]) -> None:
    """A job whose cursor is a deleted lead continues after the lead that precedes it by id."""
    unfinished = select(Job).where(Job.unit_id == scope.unit_id, Job.status.in_(["queued", "running"]))
    predecessors = {lead_id: await _predecessor(session, scope, lead_id) for lead_id in lead_ids}
    for job in await session.scalars(unfinished.order_by(Job.job_id).with_for_update(key_share=True)):
        job.parameters = _without(job.parameters, predecessors.keys())
        if job.cursor is not None:
            job.cursor = _replace_in_cursor(job.cursor, predecessors)
    await session.flush()


async def remove_from_simulations(session: AsyncSession, scope: Scope, lead_ids: Collection[str]) -> None:
    """Remove the leads from the movers that finished simulations list. The counts stay."""
    with_movers = select(Job).where(
        Job.unit_id == scope.unit_id, Job.kind == "simulation", Job.result.has_key("movers")
    )
    for job in await session.scalars(with_movers.order_by(Job.job_id).with_for_update(key_share=True)):
        result = job.result or {}
        job.result = {**result, "movers": [each for each in result["movers"] if each["lead_id"] not in lead_ids]}
    await session.flush()


async def _predecessor(session: AsyncSession, scope: Scope, lead_id: str) -> str:
    query = select(func.max(Lead.lead_id)).where(Lead.unit_id == scope.unit_id, Lead.lead_id < lead_id)
    return await session.scalar(query) or ""


def _without(value: Any, removed: Collection[str]) -> Any:
    """The JSON value without these texts in its lists."""
    match value:
        case dict():
            return {name: _without(item, removed) for name, item in value.items()}
        case list():
            return [_without(item, removed) for item in value if not (isinstance(item, str) and item in removed)]
        case _:
            return value


def _replace_in_cursor(cursor: str, replacements: Mapping[str, str]) -> str:
    """A cursor is JSON or plain text."""
    try:
        return msgspec.json.encode(_replace(msgspec.json.decode(cursor), replacements)).decode()
    except msgspec.DecodeError:
        return replacements.get(cursor, cursor)


def _replace(value: Any, replacements: Mapping[str, str]) -> Any:
    match value:
        case str():
            return replacements.get(value, value)
        case dict():
            return {name: _replace(item, replacements) for name, item in value.items()}
        case list():
            return [_replace(item, replacements) for item in value]
        case _:
            return value
