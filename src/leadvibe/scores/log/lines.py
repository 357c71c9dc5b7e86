"""The statements of the score log: a page of lines, their number, and the totals after them.

Two indexes serve them. `ix_score_entries_current` has the lines of one ruleset in order of time, with their points.
`ix_score_entries_no_events` has the lines that no event caused, of all rulesets.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    TableValuedAlias,
    Text,
    and_,
    cast,
    column,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import aliased

from leadvibe.core.database.queries import among
from leadvibe.core.ranges import TimeSpan
from leadvibe.core.scope import Scope
from leadvibe.events.models import Event
from leadvibe.scores.canonical_order import event_of, position, version_of_event
from leadvibe.scores.log.schemas import LineKind, LogCursor
from leadvibe.scores.models import ScoreEntry

WITHOUT_EVENT = ScoreEntry.kind != literal_column("'event'")
"""A literal and no parameter, so that PostgreSQL sees that the partial index applies."""

TIME = TIMESTAMP(timezone=True)


class Instant(NamedTuple):
    """An instant of a ruleset's lines, and the instant before it up to which the total is known."""

    ruleset_id: str
    since: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Lines:
    """The current ledger lines of one lead that a filter selects. An empty list of kinds means all kinds."""

    scope: Scope
    lead_id: str
    stamped_version: int
    ruleset_ids: Sequence[str]
    kinds: Sequence[LineKind]
    window: TimeSpan

    def page(self, cursor: LogCursor | None, limit: int, offset: int = 0) -> Select[*tuple[Any, ...]]:
        """The newest lines after the cursor: each with its event's type, its version, and its position.

        Of each ruleset it reads as many lines as it may need, and the other lines of the instant at which these end.
        """
        found = union_all(*(select(part.subquery()) for part in self._parts(cursor, offset + limit))).subquery()
        entry = aliased(ScoreEntry, found)
        order = position(entry, self.stamped_version)
        query = (
            select(entry, Event.event_type, version_of_event(self.stamped_version), *order)
            .outerjoin(Event, event_of(entry))
            .order_by(entry.occurred_at.desc(), *(key.desc() for key in order))
            .offset(offset)
            .limit(limit)
        )
        if cursor is None:
            return query
        at, *values = cursor
        last = (literal(value, key.type) for value, key in zip(values, order, strict=True))
        return query.where(or_(entry.occurred_at < at, tuple_(*order) < tuple_(*last)))

    def _parts(self, cursor: LogCursor | None, limit: int) -> Iterator[Select[ScoreEntry]]:
        for lines in self._by_index():
            older = lines if cursor is None else lines.where(ScoreEntry.occurred_at < cursor.occurred_at)
            yield older.order_by(ScoreEntry.occurred_at.desc()).fetch(limit, with_ties=True)
            if cursor is not None:
                yield lines.where(ScoreEntry.occurred_at == cursor.occurred_at)

    def _by_index(self) -> Iterator[Select[ScoreEntry]]:
        """The lines, in parts that an index has in order of time."""
        lines = select(ScoreEntry).where(self._current(), *self._in_window())
        if self.kinds:
            lines = lines.where(ScoreEntry.kind == among(self.kinds))
        if self._have_events:
            yield from (lines.where(ScoreEntry.ruleset_id == ruleset_id) for ruleset_id in self.ruleset_ids)
        else:
            yield lines.where(WITHOUT_EVENT, ScoreEntry.ruleset_id == among(self.ruleset_ids))

    def count(self) -> Select[int]:
        """The number of lines. Lines with events are all lines less the others, which an index of their own counts."""
        every = (
            select(func.count())
            .select_from(ScoreEntry)
            .where(self._current(), ScoreEntry.ruleset_id == among(self.ruleset_ids), *self._in_window())
        )
        if not self.kinds:
            return every
        if not self._have_events:
            return every.where(WITHOUT_EVENT, ScoreEntry.kind == among(self.kinds))
        others = every.where(WITHOUT_EVENT, not_(ScoreEntry.kind == among(self.kinds)))
        return select(every.scalar_subquery() - others.scalar_subquery())

    def changes(self, instants: Sequence[Instant]) -> Select[str, datetime, int]:
        """The change of each ruleset's total from `since` to just before `at`. It reads each line once."""
        instant = _table(instants)
        change = select(func.coalesce(func.sum(ScoreEntry.applied), 0)).where(
            self._current(),
            ScoreEntry.ruleset_id == instant.c.ruleset_id,
            ScoreEntry.occurred_at >= instant.c.since,
            ScoreEntry.occurred_at < instant.c.at,
        )
        return select(instant.c.ruleset_id, instant.c.at, cast(change.scalar_subquery(), BigInteger))

    def changes_within(self, instants: Sequence[Instant]) -> Select[int, int]:
        """For each line of these instants, the change of the total from just before the instant to after the line."""
        instant = _table(instants)
        change = func.sum(ScoreEntry.applied).over(
            partition_by=[ScoreEntry.ruleset_id, ScoreEntry.occurred_at],
            order_by=position(ScoreEntry, self.stamped_version),
            rows=(None, 0),
        )
        same = and_(ScoreEntry.ruleset_id == instant.c.ruleset_id, ScoreEntry.occurred_at == instant.c.at)
        return (
            select(ScoreEntry.entry_id, cast(change, BigInteger))
            .select_from(instant)
            .join(ScoreEntry, and_(self._current(), same))
            .outerjoin(Event, event_of(ScoreEntry))
        )

    @property
    def _have_events(self) -> bool:
        return not self.kinds or "event" in self.kinds

    def _current(self) -> ColumnElement[bool]:
        return and_(
            ScoreEntry.unit_id == self.scope.unit_id,
            ScoreEntry.lead_id == self.lead_id,
            ScoreEntry.superseded_at.is_(None),
        )

    def _in_window(self) -> Iterator[ColumnElement[bool]]:
        if self.window.since is not None:
            yield ScoreEntry.occurred_at >= self.window.since
        if self.window.until is not None:
            yield ScoreEntry.occurred_at < self.window.until


def rulesets_of(scope: Scope, lead_id: str) -> Select[str]:
    """The rulesets in which the lead has current lines, also deleted ones. It reads one line of each."""
    first = (
        select(ScoreEntry.ruleset_id)
        .where(ScoreEntry.unit_id == scope.unit_id, ScoreEntry.lead_id == lead_id, ScoreEntry.superseded_at.is_(None))
        .order_by(ScoreEntry.ruleset_id)
        .limit(1)
    )
    found = select(first.scalar_subquery().label("ruleset_id")).cte("found", recursive=True)
    following = first.where(ScoreEntry.ruleset_id > found.c.ruleset_id).scalar_subquery()
    found = found.union_all(select(following).where(found.c.ruleset_id.is_not(None)))
    return select(found.c.ruleset_id).where(found.c.ruleset_id.is_not(None))


def _table(instants: Sequence[Instant]) -> TableValuedAlias:
    columns = zip(Instant._fields, (Text(), TIME, TIME), zip(*instants, strict=True), strict=True)
    arrays = [(column(name, type_), literal(list(values), ARRAY(type_))) for name, type_, values in columns]
    unnested = func.unnest(*(array for _, array in arrays))
    return unnested.table_valued(*(name for name, _ in arrays), name="instant").render_derived()
