"""Frequent queries use their indexes: their cost depends on what they return, not on the size of the tables."""

# Pydantic takes the value of an enum for its member.
# pyright: reportArgumentType=false

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.paging import Page
from leadvibe.core.scope import Scope, system_scope
from leadvibe.events.repository import EventRepository
from leadvibe.events.schemas import Cursor, EventFilter
from leadvibe.events.types.repository import EventTypeRepository
from leadvibe.identity.display import oldest_aliases
from leadvibe.identity.phones import AFTER_COUNTRY_CODE
from leadvibe.ingest.requests import FORGET
from leadvibe.leads.repository import aliases_of
from leadvibe.leads.schemas import LeadCursor, LeadFilter
from leadvibe.leads.scored import ScoredLeads
from leadvibe.leads.search import LeadSearch, Wanted
from leadvibe.pipeline.tasks import LOCK_DUE_LEADS
from support.plans import index_conditions_of, indexes_of
from support.postgres import TestDatabase
from support.world import World

LEADS = """
INSERT INTO leads (unit_id, lead_id, last_event_at, next_decay_at)
SELECT $1, md5(n::text), now() - n * interval '1 minute', now() + n * interval '1 minute'
FROM generate_series(1, 3000) AS n
"""
ALIASES = """
INSERT INTO aliases (unit_id, kind, value, raw_value, lead_id)
SELECT unit_id, kind, value, value, lead_id
FROM leads, LATERAL (VALUES ('email', lead_id || '@example.com'), ('phone', '+49' || abs(hashtext(lead_id))))
  AS named (kind, value)
WHERE unit_id = $1
ON CONFLICT DO NOTHING
"""
EVENTS = """
INSERT INTO events (unit_id, event_id, lead_id, event_type, occurred_at, received_at, scored_at, metadata, digest,
                    config_version)
SELECT unit_id, gen_random_uuid(), lead_id, 'view', last_event_at, now(), now(),
    jsonb_build_object('campaign', 'c' || n % 5, 'visit', n), '', 1
FROM leads, generate_series(1, 5) AS n WHERE unit_id = $1
"""
COUNTS = (
    "INSERT INTO lead_counts VALUES ($1, 0, 3000)",
    "INSERT INTO event_counts VALUES ($1, 'view', 0, 15000)",
)


@pytest.fixture
async def session(database: TestDatabase, scope: Scope) -> AsyncGenerator[AsyncSession]:
    for statement in (LEADS, ALIASES, EVENTS, *COUNTS):
        await database.execute(statement, scope.unit_id)
    await database.execute("VACUUM ANALYZE")  # which also takes up what GIN indexes have put off
    async with transaction(scope) as opened:
        # As it would be with millions: a few thousand rows are scanned about as fast as they are looked up.
        await opened.execute(text("SET LOCAL enable_seqscan = off"))
        yield opened


@pytest.fixture
def scope(world: World) -> Scope:
    return system_scope(world.admin.org_id, world.admin.unit_id)


PAGE = Page(1, 50)
COMMON = EventFilter.model_validate({"metadata": ["campaign:c1"]})
HERE = str(Cursor(datetime(2026, 1, 1, tzinfo=UTC), UUID(int=1)))


@pytest.mark.parametrize("where", [LeadFilter(), LeadFilter(after=str(LeadCursor(0, datetime.now(UTC), "a")))])
async def test_a_page_of_leads_is_read_from_the_ranking_index(
    session: AsyncSession, scope: Scope, where: LeadFilter
) -> None:
    query = ScoredLeads(session, scope).page_query(where, PAGE, datetime.now(UTC))
    assert "ix_leads_ranking" in await indexes_of(session, query)
    assert not {"Sort", "Incremental Sort"} & await indexes_of(session, query)


async def test_search_looks_up_prefixes_and_trigrams_by_index(session: AsyncSession, scope: Scope) -> None:
    search = LeadSearch(session, scope)
    assert await indexes_of(session, search.id_prefix("ab")) == {"ix_leads_id_prefix"}
    assert await indexes_of(session, search.merged_id_prefix("ab")) == {"ix_leads_merged_id_prefix"}
    wanted = Wanted("abcdef")
    assert await indexes_of(session, search.alias_prefix(wanted)) == {"ix_aliases_prefix"}
    assert await indexes_of(session, search.sampled_alias(wanted)) == {"ix_aliases_sample", "Sort"}
    assert await indexes_of(session, search.alias_part(wanted, ["abc"])) == {"ix_aliases_trigrams", "Sort"}


async def test_search_for_a_phone_number_looks_up_phone_numbers_alone(session: AsyncSession, scope: Scope) -> None:
    search = LeadSearch(session, scope)
    wanted = Wanted("15112", "phone", AFTER_COUNTRY_CODE + "15112")
    start = Wanted("+4915112", "phone", only_at_start=True)
    assert await indexes_of(session, search.alias_prefix(start)) == {"pk_aliases"}
    assert await indexes_of(session, search.sampled_alias(wanted)) == {"ix_aliases_sample", "Sort"}
    assert await indexes_of(session, search.alias_part(wanted, ["151"])) == {"ix_aliases_trigrams", "Sort"}


@pytest.mark.parametrize("where", [EventFilter(), EventFilter(after=HERE), EventFilter(range="last_7d")])
async def test_the_newest_events_are_read_from_an_index_without_sorting(
    session: AsyncSession, scope: Scope, where: EventFilter
) -> None:
    assert await indexes_of(session, EventRepository(session, scope)._in_order(where, 51)) == {"ix_events_newest"}


async def test_common_values_are_found_by_scan_and_rare_values_by_index(session: AsyncSession, scope: Scope) -> None:
    events = EventRepository(session, scope)
    assert await indexes_of(session, events._newest_scanned(COMMON, 51)) == {"ix_events_newest"}
    rare = EventFilter.model_validate({"metadata": ["campaign:nothing like it"]})
    assert "ix_events_keys" in await indexes_of(session, events._by_keys(rare, 51))


async def test_the_properties_of_a_rare_type_are_read_from_its_own_events(session: AsyncSession, scope: Scope) -> None:
    assert "ix_events_keys" in await indexes_of(session, EventTypeRepository(session, scope)._metadata_keys("rare"))


async def test_the_decay_tick_reads_only_the_leads_that_are_due(session: AsyncSession) -> None:
    conditions = await index_conditions_of(session, text(LOCK_DUE_LEADS.replace("$1", "200")))
    assert conditions == {"ix_leads_next_decay": "(next_decay_at <= statement_timestamp())"}


async def test_old_answers_are_found_without_reading_the_others(session: AsyncSession) -> None:
    conditions = await index_conditions_of(session, text(FORGET.replace("$1::interval", "interval '1 day'")))
    assert conditions == {"ix_ingest_requests_answered": "(created_at < (statement_timestamp() - '1 day'::interval))"}


async def test_the_events_of_a_lead_are_read_from_an_index_without_sorting(session: AsyncSession, scope: Scope) -> None:
    query = EventRepository(session, scope)._in_order(EventFilter(lead_id="a"), 51)
    assert await indexes_of(session, query) == {"ix_events_lead"}


async def test_the_aliases_of_a_lead_are_read_from_an_index_without_sorting(
    session: AsyncSession, scope: Scope
) -> None:
    """Aliases aren't sorted: one lead may have tens of thousands."""
    assert await indexes_of(session, oldest_aliases(scope, ["a", "b"], 1)) == {"ix_aliases_of_lead"}
    page = await indexes_of(session, aliases_of(scope, "a", PAGE))
    assert "ix_aliases_of_lead" in page
    assert page <= {"ix_aliases_of_lead", "pk_aliases", "Sort", "Incremental Sort"}  # sorts a page of each kind
