"""The worked example of docs/concepts.md: the engine computes the tables that the page shows."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from engine.builders import NOON, adjustment, configuration, event, reset, rule, to_datetime, versions
from engine.lead import Lead
from leadvibe.engine import Event, Fact, Plans
from leadvibe.engine.instants import to_instant

PAGE = Path(__file__).parents[2] / "docs" / "concepts.md"

COLUMNS = ("time", "line", "base", "multiplier", "points", "applied", "total")
LABELS = {"decay": "decay step", "reset": "reset", "adjustment": "adjustment"}


class Line(NamedTuple):
    at: int
    label: str
    base: int
    multiplier: int
    points: int
    applied: int
    total: int


def when(text: str) -> int:
    """Microseconds between the builders' noon and a time in March 2026."""
    day, clock = text.split()
    return to_instant(datetime.fromisoformat(f"2026-03-{day}T{clock}Z").astimezone(UTC)) - NOON


def march_plans() -> Plans:
    made = configuration(
        rule("page_view", 5),
        rule("demo_request", 20),
        rule("unsubscribe", -40),
        surge_policy={"mode": "standard"},
        decays=[{"decay_id": "weekly", "inactive_for": 7, "unit": "days", "decrease": 10}],
    )
    return versions((to_instant(datetime(2026, 3, 1, tzinfo=UTC)), made))


def history() -> list[Fact]:
    views = [event(when(f"02 09:{minute:02}")) for minute in (0, 5, 10, 15, 20, 25)]
    return [
        *views,
        event(when("02 09:30"), "demo_request"),
        event(when("18 10:00"), "unsubscribe"),
        event(when("19 09:00")),
        adjustment(when("19 12:00"), 15),
        reset(when("20 12:00")),
        event(when("21 09:00"), "demo_request"),
    ]


def ledger(lead: Lead, facts: Iterable[Fact]) -> list[Line]:
    """The current lines of the lead's ledger with the running total."""
    types: dict[object, str] = {fact.id: fact.type for fact in facts if isinstance(fact, Event)}
    lines: list[Line] = []
    total = 0
    for line in sorted(lead.lines.values(), key=lambda line: line.at):
        total += line.applied
        base = sum(weight for _, weight in line.awards) if line.kind == "event" else line.points
        label = f"`{types[line.cause]}`" if line.kind == "event" else LABELS[line.kind]
        lines.append(Line(line.at, label, base, line.multiplier, line.points, line.applied, total))
    return lines


def table(lines: Iterable[Line], before: Sequence[Line] = ()) -> str:
    """The lines as a Markdown table; with the lines from before, a first column marks those that are new."""
    columns = ("", *COLUMNS) if before else COLUMNS
    rows: list[Sequence[str]] = [columns, ["---"] * len(columns)]
    known = {line[:-1] for line in before}
    for line in lines:
        at = to_datetime(line.at)
        cells = [f"{at.day} March, {at:%H:%M}", line.label, line.base, f"{line.multiplier / 1000:g}", *line[4:]]
        rows.append([*(["" if line[:-1] in known else "new"] if before else []), *map(str, cells)])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def played() -> tuple[Lead, list[Fact]]:
    lead, facts = Lead(march_plans()), history()
    for fact in facts:
        lead.receive(fact)
    return lead, facts


def test_the_ledger_is_as_the_page_shows_it() -> None:
    lead, facts = played()
    assert table(ledger(lead, facts)) in PAGE.read_text()
    assert lead.totals == {"A": 20}


def test_the_late_event_changes_the_lines_that_the_page_shows() -> None:
    lead, facts = played()
    before = ledger(lead, facts)
    late = event(when("10 08:00"))
    lead.receive(late)
    assert table(ledger(lead, [*facts, late]), before) in PAGE.read_text()
    assert lead.totals == {"A": 20}
