"""A migration gives the identifiers that older versions stored the form in which they are looked up now."""

from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from leadvibe.core.database.migrations import config, migrate
from leadvibe.core.database.transactions import sqlalchemy_url
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase
from support.world import World

Drain = Callable[[], Awaitable[None]]
Upgrade = Callable[[], Awaitable[None]]

ADD_LEAD = "INSERT INTO leads (unit_id, lead_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
ADD_ALIAS = "INSERT INTO aliases (unit_id, kind, value, raw_value, lead_id) VALUES ($1, $2, $3, $4, $5)"
COUNT_LEADS = "INSERT INTO lead_counts SELECT unit_id, 0, count(*) FROM leads WHERE merged_into IS NULL GROUP BY 1"


@pytest.fixture
async def upgrade(database: TestDatabase) -> Upgrade:
    """The database as the version before left it; the function upgrades it. Sign-ins are lost."""
    engine = create_async_engine(sqlalchemy_url(database.url))
    async with engine.connect() as connection, connection.begin():
        await connection.run_sync(_downgrade)
    await engine.dispose()
    return partial(migrate, database.url)


def _downgrade(connection: Connection) -> None:
    settings = config()
    settings.attributes["connection"] = connection
    command.downgrade(settings, "0016-1")
    assert connection.scalar(text("SELECT version_num FROM alembic_version")) != "0016"


async def phones(database: TestDatabase) -> list[tuple[str, str]]:
    rows = await database.fetch("SELECT lead_id, value FROM aliases WHERE kind = 'phone' ORDER BY lead_id, value")
    return [(row["lead_id"], row["value"]) for row in rows]


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        # What was stored, and the text that was sent: older versions wrote a + and all digits.
        ([("a", "+49015112345", "+49 (0) 151 123 45")], [("a", "+4915112345")]),
        ([("a", "+0012125551234", "001 212 555 1234")], [("a", "+12125551234")]),
        ([("a", "+015112345", "0151 123 45")], [("a", "015112345")]),
        ([("a", "+4915112345", "+49 151 123-45")], [("a", "+4915112345")]),
        # Events may name either form: with the + by somebody who sent it, without by those who didn't.
        ([("a", "+4915112345", "4915112345")], [("a", "+4915112345"), ("a", "4915112345")]),
        # No phone number for today's version.
        ([("a", "+1", "ext. 1")], [("a", "+1")]),
        # Another lead has the new form.
        (
            [("a", "+0012125551234", "001 212 555 1234"), ("b", "+12125551234", "+1 212 555 1234")],
            [("a", "+0012125551234"), ("b", "+12125551234")],
        ),
        # Two leads would get the new form.
        (
            [("a", "+0012125551234", "001 212 555 1234"), ("b", "+1212555123489", "+1 212 555 1234 ext. 89")],
            [("a", "+0012125551234"), ("b", "+1212555123489")],
        ),
        # One lead has several old forms of one number.
        (
            [("a", "+49015112345", "+49 (0) 151 123 45"), ("a", "+004915112345", "0049 151 123 45")],
            [("a", "+49015112345"), ("a", "+4915112345")],
        ),
    ],
)
async def test_a_stored_phone_number_gets_the_form_of_today_if_that_is_free(
    database: TestDatabase, world: World, upgrade: Upgrade, stored: list[tuple[str, str, str]], expected: list[object]
) -> None:
    for lead_id, value, raw_value in stored:
        await database.execute(ADD_LEAD, world.admin.unit_id, lead_id)
        await database.execute(ADD_ALIAS, world.admin.unit_id, "phone", value, raw_value, lead_id)
    await database.execute(COUNT_LEADS)
    await upgrade()
    assert await phones(database) == expected


async def test_the_phone_region_of_the_ou_counts(database: TestDatabase, world: World, upgrade: Upgrade) -> None:
    for identity, region in ((world.admin, "DE"), (world.neighbour, "FR"), (world.stranger, None)):
        unit_id = identity.unit_id
        await database.execute("UPDATE org_units SET phone_region = $2 WHERE unit_id = $1", unit_id, region)
        await database.execute(ADD_LEAD, unit_id, region or "none")
        await database.execute(ADD_ALIAS, unit_id, "phone", "+015112345678", "0151 1234 5678", region or "none")
    await database.execute(COUNT_LEADS)
    await upgrade()
    assert await phones(database) == [("DE", "+4915112345678"), ("FR", "+3315112345678"), ("none", "015112345678")]


async def test_stored_ids_and_aliases_are_found_in_any_case(
    basic: Caller, database: TestDatabase, world: World, upgrade: Upgrade
) -> None:
    unit_id = world.admin.unit_id
    for lead_id, value in (("ÜNÏ", "plain"), ("a", "Ünï-1"), ("b", "ASCII-ünï")):
        await database.execute(ADD_LEAD, unit_id, lead_id)
        await database.execute(ADD_ALIAS, unit_id, "external_id", value, value, lead_id)
    await database.execute(COUNT_LEADS)
    await upgrade()
    found = (await basic.get("/leads/search", params={"q": "ünÏ"})).json()
    assert [match["lead_id"] for match in found] == ["ÜNÏ", "a", "b"]


async def test_an_event_with_a_phone_number_reaches_the_lead_that_an_older_version_stored(
    basic: Caller, make: Make, drain: Drain, database: TestDatabase, upgrade: Upgrade
) -> None:
    await database.execute(ADD_LEAD, basic.unit_id, "ada")
    await database.execute(ADD_ALIAS, basic.unit_id, "phone", "+4915112345678", "4915112345678", "ada")
    await database.execute(COUNT_LEADS)
    await upgrade()
    for number in ("49151 12345678", "+49 151 12345678"):
        await make.by(basic).event(lead_id=None, aliases=[{"alias_kind": "phone", "raw_value": number}])
    await drain()
    assert await database.fetchval("SELECT count(*) FROM events WHERE lead_id = 'ada'") == 2
