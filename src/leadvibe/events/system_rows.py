"""The rows of a lead's timeline that are no events, as queries: notes, adjustments, and steps of the ledger."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    SQLColumnExpression,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    null,
    select,
)

from leadvibe.core.scope import Scope
from leadvibe.events.repository import COLUMNS
from leadvibe.leads.models import TimelineEntry
from leadvibe.scores.authors import author_of
from leadvibe.scores.models import ScoreAdjustment, ScoreEntry, ScoreReset
from leadvibe.scores.system_rows import ADJUSTED, CURRENT_STEP, TYPES_OF_STEPS, id_of_note, id_of_step, subject_of_reset

SYSTEM = cast("system", Text)
"""The channel of rows that are not events."""

Value = SQLColumnExpression[Any]
Rows = Select[*tuple[Any, ...]]
"""A query for rows of the COLUMNS."""


def notes_of(scope: Scope, lead_id: str) -> Rows:
    """Resets, merges and alias conflicts, as they were noted."""
    return select(
        *_row(
            id_of_note(),
            TimelineEntry.lead_id,
            TimelineEntry.kind,
            TimelineEntry.occurred_at,
            TimelineEntry.occurred_at,
            SYSTEM,
            TimelineEntry.data.concat(func.jsonb_build_object("channel", SYSTEM)),
        )
    ).where(TimelineEntry.unit_id == scope.unit_id, TimelineEntry.lead_id == lead_id)


def adjustments_of(scope: Scope, lead_id: str) -> Rows:
    """Also those that no longer count, because a reset before a merge took them in."""
    adjustment = ScoreAdjustment
    data = func.jsonb_build_object(
        *("channel", SYSTEM),
        *("ruleset_id", adjustment.ruleset_id),
        *("points", adjustment.points),
        *("reason", adjustment.reason),
        *("adjusted_by", adjustment.adjusted_by),
        *("author", author_of(scope, adjustment.adjusted_by)),
    )
    return select(
        *_row(
            adjustment.adjustment_id,
            adjustment.lead_id,
            cast(ADJUSTED, Text),
            adjustment.adjusted_at,
            adjustment.adjusted_at,
            SYSTEM,
            data,
            original_lead_id=adjustment.original_lead_id,
        )
    ).where(adjustment.unit_id == scope.unit_id, adjustment.lead_id == lead_id)


def steps_of(scope: Scope, lead_id: str) -> Rows:
    """The decay steps and lifts of the current ledger, and its resets without a note. One row is for all rulesets.

    A reset that changed nothing has no note. An event that arrives later can give it something to reset.
    """
    columns = (ScoreEntry.kind, ScoreEntry.lead_id, ScoreEntry.occurred_at, ScoreEntry.subject_id)
    return (
        select(
            *_row(
                id_of_step(),
                ScoreEntry.lead_id,
                cast(case(TYPES_OF_STEPS, value=ScoreEntry.kind), Text),
                ScoreEntry.occurred_at,
                func.max(ScoreEntry.recorded_at),
                SYSTEM,
                func.jsonb_build_object("channel", SYSTEM).concat(_data_of_step(scope)),
            )
        )
        .where(ScoreEntry.unit_id == scope.unit_id, ScoreEntry.lead_id == lead_id)
        .where(CURRENT_STEP, ScoreEntry.applied != 0, ~_has_note(scope))
        .group_by(ScoreEntry.unit_id, *columns)
    )


def _data_of_step(scope: Scope) -> ColumnElement[Any]:
    applied = func.jsonb_object_agg(ScoreEntry.ruleset_id, ScoreEntry.applied)
    decay = func.jsonb_build_object(
        *("decay_id", ScoreEntry.subject_id),
        *("steps", 1),
        *("decrease", -func.min(ScoreEntry.points)),
        *("rulesets", applied),
    )
    previous = func.jsonb_object_agg(ScoreEntry.ruleset_id, -ScoreEntry.applied)
    reset_by = select(ScoreReset.reset_by).where(
        ScoreReset.unit_id == scope.unit_id,
        ScoreReset.lead_id == ScoreEntry.lead_id,
        cast(ScoreReset.reset_id, Text) == ScoreEntry.subject_id,
    )
    reset = func.jsonb_build_object("previous_scores", previous, "reset_by", reset_by.scalar_subquery())
    return case(
        {"decay": decay, "reset": reset}, value=ScoreEntry.kind, else_=func.jsonb_build_object("rulesets", applied)
    )


def _has_note(scope: Scope) -> ColumnElement[bool]:
    note = exists().where(
        TimelineEntry.unit_id == scope.unit_id,
        TimelineEntry.lead_id == ScoreEntry.lead_id,
        TimelineEntry.kind == "score_reset",
        TimelineEntry.subject == subject_of_reset(ScoreEntry.subject_id),
    )
    return and_(ScoreEntry.kind == "reset", note)


def _row(*values: Value, original_lead_id: Value | None = None) -> Sequence[Value]:
    """The COLUMNS of a row that is not an event."""
    suppression_and_origin = (null(), null() if original_lead_id is None else original_lead_id)
    return [value.label(column.name) for value, column in zip((*values, *suppression_and_origin), COLUMNS, strict=True)]
