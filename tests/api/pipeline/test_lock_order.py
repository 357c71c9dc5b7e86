"""The session keeps to its OU by itself, whatever a query forgets."""

import io

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from leadvibe.core.database.repository import Repository
from leadvibe.core.database.transactions import OutsideScope, raw, transaction
from leadvibe.core.ids import new_id
from leadvibe.core.scope import Scope, system_scope
from leadvibe.rulesets.models import Rule, Ruleset
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase
from support.tenancy import Confinement
from support.world import World


class Rulesets(Repository[Ruleset]):
    model = Ruleset


@pytest.fixture
def ours(world: World, database: TestDatabase) -> Scope:
    return system_scope(world.admin.org_id, world.admin.unit_id)


@pytest.fixture
def theirs(world: World, database: TestDatabase) -> Scope:
    return system_scope(world.neighbour.org_id, world.neighbour.unit_id)


def ruleset(scope: Scope, name: str = "Mine") -> Ruleset:
    return Ruleset(unit_id=scope.unit_id, ruleset_id=new_id("rs"), name=name)


async def test_a_select_that_names_no_unit_sees_only_its_own(ours: Scope) -> None:
    async with transaction(ours) as session:
        found = (await session.scalars(select(Ruleset))).all()
    assert {row.unit_id for row in found} == {ours.unit_id}


async def test_so_does_one_on_an_alias(ours: Scope) -> None:
    other = aliased(Ruleset)
    async with transaction(ours) as session:
        found = (await session.scalars(select(other.unit_id))).all()
    assert set(found) == {ours.unit_id}


async def test_a_join_is_confined_on_both_sides(ours: Scope) -> None:
    async with transaction(ours) as session:
        session.add(row := ruleset(ours))
        await session.flush()
        session.add(
            Rule(unit_id=ours.unit_id, rule_id=new_id("rl"), ruleset_id=row.ruleset_id, event_type="a", weight=1)
        )
        await session.flush()
        query = select(Rule.unit_id, Ruleset.unit_id).join(Ruleset, Ruleset.ruleset_id == Rule.ruleset_id)
        found = (await session.execute(query)).all()
    assert [tuple(pair) for pair in found] == [(ours.unit_id, ours.unit_id)]


async def test_an_update_that_names_no_unit_changes_only_its_own(
    ours: Scope, theirs: Scope, database: TestDatabase
) -> None:
    async with transaction(ours) as session:
        await session.execute(update(Ruleset).values(name="Changed"))
    rows = await database.fetch("SELECT unit_id FROM rulesets WHERE name = 'Changed'")
    assert [row["unit_id"] for row in rows] == [ours.unit_id]


async def test_a_delete_that_names_no_unit_removes_only_its_own(ours: Scope, database: TestDatabase) -> None:
    before = await database.fetchval("SELECT count(*) FROM rulesets WHERE unit_id <> $1", ours.unit_id)
    async with transaction(ours) as session:
        await session.execute(delete(Ruleset))
    assert await database.fetchval("SELECT count(*) FROM rulesets") == before > 0


async def test_a_row_of_another_unit_is_not_written(ours: Scope, theirs: Scope, database: TestDatabase) -> None:
    with pytest.raises(OutsideScope):
        async with transaction(ours) as session:
            session.add(ruleset(theirs, "Smuggled"))
    assert await database.fetchval("SELECT count(*) FROM rulesets WHERE name = 'Smuggled'") == 0


async def test_a_row_of_another_unit_is_not_changed(ours: Scope, theirs: Scope) -> None:
    async with transaction(theirs) as session:
        row = (await session.scalars(select(Ruleset))).one()
    row.name = "Taken over"
    with pytest.raises(OutsideScope):
        async with transaction(ours) as session:
            session.add(row)


async def test_a_row_of_another_unit_is_not_deleted(ours: Scope, theirs: Scope) -> None:
    async with transaction(theirs) as session:
        row = (await session.scalars(select(Ruleset))).one()
    with pytest.raises(OutsideScope):
        async with transaction(ours) as session:
            await session.delete(row)


async def test_a_repository_stamps_what_it_creates(ours: Scope) -> None:
    async with transaction(ours) as session:
        row = await Rulesets(session, ours).create({"ruleset_id": new_id("rs"), "name": "Stamped"})
    assert (row.unit_id, row.created_by) == (ours.unit_id, ours.actor.id)


async def test_a_repository_does_not_find_what_is_another_units(ours: Scope, theirs: Scope) -> None:
    async with transaction(theirs) as session:
        foreign = (await session.scalars(select(Ruleset.ruleset_id))).one()
    async with transaction(ours) as session:
        assert await Rulesets(session, ours).find(foreign) is None


async def test_a_statement_without_the_unit_is_heard_whichever_way_it_is_sent(
    database: TestDatabase, confined_statements: Confinement
) -> None:
    async def by_sqlalchemy(session: AsyncSession) -> None:
        await session.execute(text("SELECT count(*) FROM leads"))

    async def by_a_prepared_statement(session: AsyncSession) -> None:
        await (await raw(session)).fetch("SELECT count(*) FROM leads WHERE lead_id = $1", "somebody")

    async def by_a_simple_one(session: AsyncSession) -> None:
        await (await raw(session)).execute("DELETE FROM leads")

    async def by_copy(session: AsyncSession) -> None:
        await (await raw(session)).copy_from_query("SELECT lead_id FROM leads", output=io.BytesIO())

    for send in (by_sqlalchemy, by_a_prepared_statement, by_a_simple_one, by_copy):
        async with transaction(None) as session:
            await send(session)
        with pytest.raises(AssertionError, match="leads without unit_id"):
            confined_statements.check()


async def test_a_transaction_that_fails_leaves_nothing(ours: Scope, database: TestDatabase) -> None:
    async def fail_half_way() -> None:
        async with transaction(ours) as session:
            session.add(ruleset(ours, "Half"))
            await session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_half_way()
    assert await database.fetchval("SELECT count(*) FROM rulesets WHERE name = 'Half'") == 0


async def test_an_answer_comes_after_the_commit(client: Caller, make: Make, database: TestDatabase) -> None:
    made = await make.ruleset("Committed")
    stored = await database.fetchval("SELECT name FROM rulesets WHERE ruleset_id = $1", made["ruleset_id"])
    assert stored == "Committed"
