"""The ids of the rows of a timeline that are no events, and the search for such a row by its id.

An adjustment has its own id. Notes, and steps of the ledger, have ids that are derived from their content by functions
of the database, so that an index finds them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CompoundSelect,
    Select,
    SQLColumnExpression,
    Text,
    Uuid,
    and_,
    any_,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.scope import Scope
from leadvibe.leads.models import TimelineEntry
from leadvibe.scores.models import ScoreAdjustment, ScoreEntry

ADJUSTED: Final = "score_adjusted"
TYPES_OF_STEPS: Final = {"decay": "DECAY", "reset": "score_reset", "lift": "score_lifted"}
"""The type of a timeline's row by the kind of its ledger lines."""

CURRENT_STEP: Final = and_(
    ScoreEntry.superseded_at.is_(None),
    # A literal and no parameter, so that PostgreSQL sees that the partial indexes apply.
    ScoreEntry.kind != literal_column("'event'"),
    ScoreEntry.kind != "adjustment",
)
"""The ledger line is a decay step, a lift or a reset, and current."""


@dataclass(frozen=True, slots=True)
class SystemRow:
    row_id: UUID
    lead_id: str
    event_type: str
    occurred_at: datetime
    kind: str | None
    """The kind of its ledger lines; None for rows that change no total."""
    subject_id: str | None
    """The subject of its ledger lines."""


def id_of_note() -> ColumnElement[UUID]:
    return func.timeline_id(TimelineEntry.lead_id, TimelineEntry.kind, TimelineEntry.subject, type_=Uuid())


def id_of_step() -> ColumnElement[UUID]:
    """The lines of a step have the same id in all rulesets."""
    return func.step_id(ScoreEntry.lead_id, ScoreEntry.subject_id, ScoreEntry.occurred_at, type_=Uuid())


def subject_of_reset(subject_id: SQLColumnExpression[Any]) -> ColumnElement[str]:
    """The subject of a reset's note, from that of its ledger line, which has hyphens."""
    return func.replace(subject_id, "-", "")


async def find_system_rows(session: AsyncSession, scope: Scope, ids: Collection[UUID]) -> dict[UUID, SystemRow]:
    """The rows with these ids in the OU; ids of events and unknown ids are missing."""
    found = await session.execute(system_rows(scope, ids))
    return {row.row_id: SystemRow(*row) for row in found}


def system_rows(scope: Scope, ids: Collection[UUID]) -> CompoundSelect[*tuple[Any, ...]]:
    wanted = any_(literal(list(ids), ARRAY(Uuid)))
    return union_all(_notes(scope, wanted), _adjustments(scope, wanted), _steps(scope, wanted))


def _notes(scope: Scope, wanted: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    is_reset = TimelineEntry.kind == "score_reset"
    subject_id = cast(cast(TimelineEntry.subject, Uuid), Text)
    return select(
        id_of_note().label("row_id"),
        TimelineEntry.lead_id,
        TimelineEntry.kind,
        TimelineEntry.occurred_at,
        case((is_reset, "reset")),
        case((is_reset, subject_id)),
    ).where(TimelineEntry.unit_id == scope.unit_id, id_of_note() == wanted)


def _adjustments(scope: Scope, wanted: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    return select(
        ScoreAdjustment.adjustment_id,
        ScoreAdjustment.lead_id,
        literal(ADJUSTED, Text),
        ScoreAdjustment.adjusted_at,
        literal("adjustment", Text),
        cast(ScoreAdjustment.adjustment_id, Text),
    ).where(ScoreAdjustment.unit_id == scope.unit_id, ScoreAdjustment.adjustment_id == wanted)


def _steps(scope: Scope, wanted: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    return select(
        id_of_step(),
        ScoreEntry.lead_id,
        cast(case(TYPES_OF_STEPS, value=ScoreEntry.kind), Text),
        ScoreEntry.occurred_at,
        ScoreEntry.kind,
        ScoreEntry.subject_id,
    ).where(ScoreEntry.unit_id == scope.unit_id, CURRENT_STEP, ScoreEntry.applied != 0, id_of_step() == wanted)
