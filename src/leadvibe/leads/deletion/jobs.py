"""Takes a deleted lead's id out of jobs that aren't done: from whom they are about, and from where they go on."""

# Decoded JSON: values whose keys and items nothing types.
# pyright: reportUnknownVariableType=false

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.jobs.models import Job
from leadvibe.core.scope import Scope
from leadvibe.leads.models import Lead


async def forget_in_jobs(session: AsyncSession, scope: Scope, lead_ids: Collection[str]) -> None:
    """A job that goes through leads in the order of their ids goes on behind the lead that came before."""
    unfinished = select(Job).where(Job.unit_id == scope.unit_id, Job.status.in_(["queued", "running"]))
    before = {lead_id: await _before(session, scope, lead_id) for lead_id in lead_ids}
    for job in await session.scalars(unfinished.order_by(Job.job_id).with_for_update(key_share=True)):
        job.parameters = _without(job.parameters, before.keys())
        if job.cursor is not None:
            job.cursor = _moved(job.cursor, before)
    await session.flush()


async def _before(session: AsyncSession, scope: Scope, lead_id: str) -> str:
    query = select(func.max(Lead.lead_id)).where(Lead.unit_id == scope.unit_id, Lead.lead_id < lead_id)
    return await session.scalar(query) or ""


def _without(value: Any, gone: Collection[str]) -> Any:
    match value:
        case dict():
            return {name: _without(item, gone) for name, item in value.items()}
        case list():
            return [_without(item, gone) for item in value if not (isinstance(item, str) and item in gone)]
        case _:
            return value


def _moved(cursor: str, by: dict[str, str]) -> str:
    """A cursor is JSON or a plain text."""
    try:
        return msgspec.json.encode(_replaced(msgspec.json.decode(cursor), by)).decode()
    except msgspec.DecodeError:
        return by.get(cursor, cursor)


def _replaced(value: Any, by: dict[str, str]) -> Any:
    match value:
        case str():
            return by.get(value, value)
        case dict():
            return {name: _replaced(item, by) for name, item in value.items()}
        case list():
            return [_replaced(item, by) for item in value]
        case _:
            return value
