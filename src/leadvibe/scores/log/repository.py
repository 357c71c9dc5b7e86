"""Reads the score log of a lead: its current ledger lines, newest first, each with the total after it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Row, SQLColumnExpression, Uuid, any_, literal, null, select, union_all

from leadvibe.core.http.paging import Page
from leadvibe.core.instants import FIRST
from leadvibe.identity.leads import survivor_of
from leadvibe.scores.authors import author_of
from leadvibe.scores.canonical_order import stamped_version_of
from leadvibe.scores.log.lines import Instant, Lines, rulesets_of
from leadvibe.scores.log.schemas import LogCursor, ScoreLogFilter
from leadvibe.scores.models import ScoreAdjustment, ScoreEntry, ScoreReset
from leadvibe.scores.repository import Rulesets, ScoreRepository
from leadvibe.scores.rule_labels import rule_labels


@dataclass(frozen=True, slots=True)
class LineAward:
    rule_id: str
    weight: int
    filter_label: str | None


@dataclass(frozen=True, slots=True)
class LogLine:
    id: str
    lead_id: str
    kind: str
    occurred_at: datetime
    recorded_at: datetime
    ruleset_id: str
    ruleset_name: str | None
    event_id: UUID | None
    event_type: str | None
    decay_id: str | None
    rules: Sequence[LineAward]
    base: int
    multiplier: float
    points: int
    applied: int
    total_after: int
    reason: str | None
    author: str | None
    author_id: str | None


@dataclass(frozen=True, slots=True)
class LogPage:
    items: Sequence[LogLine]
    total: int
    end: LogCursor | None
    """Where the next page starts, if there is one."""
    merged_from: str | None


class Found(NamedTuple):
    """A line as found, with its event's type, the configuration version that judged the event, and its position."""

    entry: ScoreEntry
    event_type: str | None
    version: int
    position: Sequence[Any]

    @classmethod
    def of(cls, row: Row[*tuple[Any, ...]]) -> "Found":
        entry, event_type, version, *position = row
        return cls(entry, event_type, version, position)

    @property
    def rule_ids(self) -> Sequence[str]:
        return [rule_id for rule_id, _ in self.entry.awards]

    @property
    def cursor(self) -> LogCursor:
        return LogCursor(self.entry.occurred_at, *self.position)


class Note(NamedTuple):
    """Why and by whom a total was adjusted or reset."""

    reason: str | None = None
    author_id: str | None = None
    author: str | None = None


class ScoreLogRepository(ScoreRepository):
    isolation: ClassVar = "REPEATABLE READ"  # its queries must agree with each other

    async def of_lead(self, lead_id: str, where: ScoreLogFilter, page: Page) -> LogPage:
        window = where.window(datetime.now(UTC))
        lead_id, merged_from = await survivor_of(self.session, self.scope, lead_id)
        rulesets = await self.rulesets()
        ruleset_ids = await self._ruleset_ids(lead_id, where.ruleset_id, rulesets)
        if not ruleset_ids:
            return LogPage([], 0, None, merged_from)
        stamped_version = await stamped_version_of(self.session, self.scope, lead_id)
        lines = Lines(self.scope, lead_id, stamped_version, ruleset_ids, where.kind, window)
        offset = page.offset if where.cursor is None else 0
        rows = await self.session.execute(lines.page(where.cursor, page.limit + 1, offset))
        found = [Found.of(row) for row in rows]
        shown = found[: page.limit]
        end = shown[-1].cursor if len(found) > page.limit else None
        total = (await self.session.scalars(lines.count())).one()
        return LogPage(await self._described(lines, shown, rulesets), total, end, merged_from)

    async def _ruleset_ids(self, lead_id: str, requested: str | None, rulesets: Rulesets) -> Sequence[str]:
        """The rulesets whose lines are listed. Raises NotFound if there is no such ruleset, and never was."""
        with_lines = list(await self.session.scalars(rulesets_of(self.scope, lead_id)))
        if requested is None:
            return with_lines
        return [requested if requested in with_lines else rulesets.by_id(requested).ruleset_id]

    async def _described(self, lines: Lines, shown: Sequence[Found], rulesets: Rulesets) -> list[LogLine]:
        totals = await self._totals_after(lines, [each.entry for each in shown])
        notes = await self._notes(lines.lead_id, shown)
        versions, rule_ids = {each.version for each in shown}, {rule for each in shown for rule in each.rule_ids}
        labels = await rule_labels(self.session, self.scope, versions, rule_ids) if rule_ids else {}
        return [
            _line(
                each,
                rulesets.names.get(each.entry.ruleset_id),
                [LineAward(rule, weight, labels.get((each.version, rule))) for rule, weight in each.entry.awards],
                totals[each.entry.entry_id],
                notes.get(each.entry.subject_id, Note()),
            )
            for each in shown
        ]

    async def _totals_after(self, lines: Lines, entries: Sequence[ScoreEntry]) -> dict[int, int]:
        """The total after each of these entries, by entry id.

        The total before the oldest one is one sum. The following ones continue from it.
        """
        instants = list(_steps(entries))
        if not instants:
            return {}
        before: dict[tuple[str, datetime], int] = {}
        running: dict[str, int] = {}
        changes = {
            (ruleset_id, at): change for ruleset_id, at, change in await self.session.execute(lines.changes(instants))
        }
        for ruleset_id, _, at in instants:
            running[ruleset_id] = running.get(ruleset_id, 0) + changes[ruleset_id, at]
            before[ruleset_id, at] = running[ruleset_id]
        within = dict((await self.session.execute(lines.changes_within(instants))).all())
        return {
            entry.entry_id: before[entry.ruleset_id, entry.occurred_at] + within[entry.entry_id] for entry in entries
        }

    async def _notes(self, lead_id: str, shown: Sequence[Found]) -> dict[str | None, Note]:
        """The notes on the adjustments and resets among these lines, by the id of the adjustment or reset."""
        ids = {each.entry.subject_id for each in shown if each.entry.kind in {"adjustment", "reset"}}
        if not ids:
            return {}
        adjustment, reset = ScoreAdjustment, ScoreReset
        query = union_all(
            select(adjustment.adjustment_id, adjustment.reason, *self._author(adjustment.adjusted_by)).where(
                adjustment.unit_id == self.scope.unit_id,
                adjustment.lead_id == lead_id,
                adjustment.adjustment_id == _any_of(ids),
            ),
            select(reset.reset_id, null(), *self._author(reset.reset_by)).where(
                reset.unit_id == self.scope.unit_id, reset.lead_id == lead_id, reset.reset_id == _any_of(ids)
            ),
        )
        return {str(subject_id): Note(*note) for subject_id, *note in await self.session.execute(query)}

    def _author(self, author_id: SQLColumnExpression[str]) -> Sequence[SQLColumnExpression[str]]:
        return author_id, author_of(self.scope, author_id)


def _steps(entries: Sequence[ScoreEntry]) -> Iterator[Instant]:
    """The instants of these entries in order, by ruleset, each from the one before it on."""
    since: dict[str, datetime] = {}
    for ruleset_id, at in sorted({(entry.ruleset_id, entry.occurred_at) for entry in entries}):
        yield Instant(ruleset_id, since.get(ruleset_id, FIRST), at)
        since[ruleset_id] = at


def _line(found: Found, ruleset_name: str | None, rules: Sequence[LineAward], total_after: int, note: Note) -> LogLine:
    entry = found.entry
    return LogLine(
        id=f"en_{entry.entry_id}",
        lead_id=entry.lead_id,
        kind=entry.kind,
        occurred_at=entry.occurred_at,
        recorded_at=entry.recorded_at,
        ruleset_id=entry.ruleset_id,
        ruleset_name=ruleset_name,
        event_id=entry.event_id,
        event_type=found.event_type,
        decay_id=entry.subject_id if entry.kind == "decay" else None,
        rules=rules,
        base=entry.base,
        multiplier=entry.multiplier / 1000,
        points=entry.points,
        applied=entry.applied,
        total_after=total_after,
        reason=note.reason,
        author=note.author,
        author_id=note.author_id,
    )


def _any_of(ids: Iterable[str | None]) -> ColumnElement[Any]:
    return any_(literal([UUID(each) for each in ids], ARRAY(Uuid)))
