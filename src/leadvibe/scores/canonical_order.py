"""The canonical order of ledger lines within one instant, as SQL: the order of `engine.order` and of the steps."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    SmallInteger,
    Uuid,
    and_,
    case,
    collate,
    func,
    literal,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.scope import Scope
from leadvibe.engine.facts import ADJUSTMENT, DECAY, EVENT, LIFT, RESET
from leadvibe.events.models import Event
from leadvibe.leads.models import Lead
from leadvibe.scores.models import ScoreEntry

RANKS: Final = {"decay": DECAY, "event": EVENT, "adjustment": ADJUSTMENT, "reset": RESET, "lift": LIFT}

NO_ID: Final = UUID(int=0)


def event_of(entry: type[ScoreEntry]) -> ColumnElement[bool]:
    """The condition by which a ledger line finds its event, in an outer join."""
    return and_(Event.unit_id == entry.unit_id, Event.event_id == entry.event_id)


def version_of_event(stamped_version: int) -> ColumnElement[int]:
    """The configuration version that judges the joined event; see `Lead.stamped_version`."""
    return func.greatest(Event.config_version, stamped_version)


def position(entry: type[ScoreEntry], stamped_version: int) -> Sequence[ColumnElement[Any]]:
    """The sort key of the lines of one instant, joined with their events by `event_of`.

    The last column only separates the lines of one fact, which are in different rulesets.
    """
    return (
        case(RANKS, value=entry.kind, else_=literal(LIFT, SmallInteger)),
        collate(func.coalesce(Event.event_type, entry.subject_id, ""), "C"),
        func.coalesce(Event.digest, literal(b"", LargeBinary)),
        collate(func.coalesce(Event.idempotency_key, ""), "C"),
        case((Event.event_id.is_(None), 0), else_=version_of_event(stamped_version)),
        func.coalesce(entry.event_id, literal(NO_ID, Uuid)),
        collate(entry.ruleset_id, "C"),
    )


async def stamped_version_of(session: AsyncSession, scope: Scope, lead_id: str) -> int:
    """The configuration version that a rescore last applied to all events of the lead; 0 if there was none."""
    query = select(Lead.stamped_version).where(Lead.unit_id == scope.unit_id, Lead.lead_id == lead_id)
    return await session.scalar(query) or 0
