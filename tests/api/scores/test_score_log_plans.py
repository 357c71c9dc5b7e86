"""A page of the score log reads about as many lines as it shows, of a lead with many thousands."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.transactions import transaction
from leadvibe.core.instants import FIRST
from leadvibe.core.ranges import TimeSpan
from leadvibe.core.scope import Scope, system_scope
from leadvibe.scores.log.lines import Instant, Lines, rulesets_of
from leadvibe.scores.log.schemas import LineKind, LogCursor
from support.plans import indexes_of, most_rows_of
from support.postgres import TestDatabase
from support.world import World

LINES = 5_000
"""In each of two rulesets, one every minute. Each hundredth is a decay step."""
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = 51
AFEW = 4 * LIMIT
"""Twice a page from each ruleset."""

SETUP = (
    "INSERT INTO leads (unit_id, lead_id) VALUES ($1, 'a'), ($1, 'b')",
    "INSERT INTO lead_counts VALUES ($1, 0, 2)",
    "INSERT INTO event_counts VALUES ($1, 'view', 0, 5000)",
    """
    INSERT INTO events (unit_id, event_id, lead_id, event_type, occurred_at, received_at, scored_at, metadata, digest,
                        config_version)
    SELECT $1, md5(n::text)::uuid, 'a', 'view', '2026-01-01Z'::timestamptz + n * interval '1 minute', now(), now(),
           '{}', '', 1
    FROM generate_series(1, 5000) AS n
    """,
    """
    INSERT INTO score_entries (unit_id, lead_id, ruleset_id, occurred_at, kind, event_id, subject_id, awards, base,
                               multiplier, points, applied, recorded_at)
    SELECT $1, lead_id, ruleset_id, '2026-01-01Z'::timestamptz + n * interval '1 minute',
           CASE WHEN n % 100 = 0 THEN 'decay' ELSE 'event' END,
           CASE WHEN n % 100 > 0 THEN md5(n::text)::uuid END, CASE WHEN n % 100 = 0 THEN 'dc_1' END,
           '[]', 1, 1000, 1, 1, now()
    FROM generate_series(1, 5000) AS n, unnest(ARRAY['rs_1', 'rs_2']) AS ruleset_id, unnest(ARRAY['a', 'b']) AS lead_id
    """,
)


@pytest.fixture
def scope(world: World) -> Scope:
    return system_scope(world.admin.org_id, world.admin.unit_id)


@pytest.fixture
async def session(database: TestDatabase, scope: Scope) -> AsyncGenerator[AsyncSession]:
    for statement in SETUP:
        await database.execute(statement, scope.unit_id)
    await database.execute("VACUUM ANALYZE")
    async with transaction(scope) as opened:
        # As it would be with millions: a few thousand rows are scanned about as fast as they are looked up.
        await opened.execute(text("SET LOCAL enable_seqscan = off"))
        yield opened


def lines(scope: Scope, *kinds: LineKind) -> Lines:
    return Lines(scope, "a", 1, ["rs_1", "rs_2"], kinds, TimeSpan())


MIDDLE = LogCursor(BEGAN + timedelta(minutes=LINES // 2), 0, "dc_1", b"", "", 0, UUID(int=0), "rs_2")


async def test_a_page_reads_the_lines_of_each_ruleset_in_their_order(session: AsyncSession, scope: Scope) -> None:
    kinds: list[list[LineKind]] = [[], ["event"], ["event", "reset"]]
    for selected, cursor in product(kinds, [None, MIDDLE]):
        query = lines(scope, *selected).page(cursor, LIMIT)
        used = await indexes_of(session, query)
        assert {"ix_score_entries_current", "pk_events"} <= used
        assert used <= {"ix_score_entries_current", "pk_events", "Sort", "Incremental Sort"}  # sorts what it has read
        assert await most_rows_of(session, query) <= AFEW


async def test_lines_without_events_are_read_from_their_own_index(session: AsyncSession, scope: Scope) -> None:
    for cursor in (None, MIDDLE):
        query = lines(scope, "decay").page(cursor, LIMIT)
        assert "ix_score_entries_no_events" in await indexes_of(session, query)
        assert await most_rows_of(session, query) <= AFEW


async def test_the_totals_of_a_page_read_each_earlier_line_once_from_an_index(
    session: AsyncSession, scope: Scope
) -> None:
    ends = [BEGAN + timedelta(minutes=minute) for minute in range(LINES - LIMIT, LINES)]
    instants = [
        Instant(ruleset_id, since, at)
        for ruleset_id in ("rs_1", "rs_2")
        for since, at in zip([FIRST, *ends], ends, strict=False)
    ]
    changes = lines(scope).changes(instants)
    assert await indexes_of(session, changes) == {"ix_score_entries_current"}
    assert await most_rows_of(session, changes) <= 2 * LINES

    within = lines(scope).changes_within(instants)
    assert "ix_score_entries_current" in await indexes_of(session, within)
    assert await most_rows_of(session, within) <= AFEW


async def test_the_rulesets_of_a_lead_are_found_without_reading_its_lines(session: AsyncSession, scope: Scope) -> None:
    query = rulesets_of(scope, "a")
    assert list(await session.scalars(query)) == ["rs_1", "rs_2"]
    assert await most_rows_of(session, query) <= AFEW


async def test_lines_are_counted_by_index(session: AsyncSession, scope: Scope) -> None:
    decays = lines(scope, "decay", "lift").count()
    assert await session.scalar(decays) == 100
    assert await indexes_of(session, decays) == {"ix_score_entries_no_events"}
    events = lines(scope, "event").count()
    assert await session.scalar(events) == 2 * LINES - 100
    # Which index of the lead's lines counts all of them is the planner's choice; those of other leads aren't read.
    assert "ix_score_entries_no_events" in await indexes_of(session, events)
    assert await most_rows_of(session, events) <= 2 * LINES
