"""Scores all 262,200 events of the loan applications with every scoring feature: one ledger, all scores explained."""

from collections.abc import Sequence
from typing import Any

import pytest

from support import loans
from support.callers import Caller, Identity, basic_authorization
from support.loan_imports import KeyedRow, configure, every_tenth_twice, ledger_of, shuffled, with_keys
from support.make import Make
from support.postgres import TestDatabase

pytestmark = [pytest.mark.full, loans.needed, pytest.mark.xdist_group("all loans")]

TIMEOUT_SECONDS = 1_800.0
CLOSING = {"A_APPROVED": 50, "O_ACCEPTED": 30, "W_Nabellen incomplete dossiers": -3, "W_Beoordelen fraude": -100}
PARTS = ("drivers_total", "surge_total", "decay_applied", "adjustments", "floor_adjustment")


@pytest.fixture(scope="module")
def rows() -> list[KeyedRow]:
    return with_keys(loans.rows())


async def fresh_unit(app: Any, client: Caller, database: TestDatabase, name: str) -> Caller:
    """A client of a new OU whose configuration, with its decays, is older than the first event."""
    unit_id = (await Make(client).unit(name))["unit_id"]
    answer = await client.post("/secrets", json={"name": name}, headers={"X-OU-ID": unit_id})
    secret = answer.raise_for_status().json()
    program = Caller(
        app,
        Identity(
            org_id=client.org_id,
            unit_id=unit_id,
            # A member's token would expire before the test ends.
            authorization=basic_authorization(secret["client_id"], secret["client_secret"]),
            client_id=secret["client_id"],
        ),
    )
    program.timeout = TIMEOUT_SECONDS
    await configure(Make(program))
    await Make(program).rules({"Closing": CLOSING})
    await Make(program).decay(inactive_for=7, unit="days", decrease=5)
    await Make(program).decay(inactive_for=30, unit="days", decrease=25)
    await database.execute(
        "UPDATE config_versions SET created_at = created_at - interval '30 years' WHERE unit_id = $1", unit_id
    )
    return program


async def test_any_order_with_repeats_and_one_or_two_workers_gives_the_same_ledger(
    app: Any, client: Caller, database: TestDatabase, rows: list[KeyedRow]
) -> None:
    arrivals: dict[str, Sequence[KeyedRow]] = {
        "in order": rows,
        "in no order": shuffled(rows, seed=1),
        "in no order and partly twice": shuffled(every_tenth_twice(rows), seed=2),
    }
    names = [(name, workers) for name in arrivals for workers in (1, 2)]
    units = {each: await fresh_unit(app, client, database, f"{each[0]}, {each[1]}") for each in names}
    ledgers: dict[str, str] = {}
    for (name, workers), unit in units.items():
        ledger = await ledger_of(
            unit, database, arrivals[name], imports=workers, workers=workers, within=TIMEOUT_SECONDS
        )
        ledgers[f"{name}, by {workers}"] = ledger
        assert await _number_of_events(database, unit) == len(rows)
        assert set(ledgers.values()) == {ledger}, ledgers


async def test_the_parts_of_every_explanation_add_up_to_the_score(
    app: Any, client: Caller, database: TestDatabase, rows: list[KeyedRow]
) -> None:
    unit = await fresh_unit(app, client, database, "Explained")
    await ledger_of(unit, database, rows, imports=1, workers=1, within=TIMEOUT_SECONDS)
    rulesets = [ruleset["ruleset_id"] for ruleset in (await unit.get("/rulesets")).json()]
    lead_ids = sorted({row[0] for row in rows})
    assert (len(rulesets), len(lead_ids)) == (2, 13_087)
    sums = dict.fromkeys(PARTS, 0)
    for lead_id in lead_ids:
        for ruleset_id in rulesets:
            query = {"all": "true", "ruleset_id": ruleset_id}
            explanation = (await unit.get(f"/lead/{lead_id}/score-explain", params=query)).raise_for_status().json()
            assert sum(explanation[part] for part in PARTS) == explanation["score"] == explanation["score_change"]
            assert sum(driver["total"] for driver in explanation["top_drivers"]) == explanation["drivers_total"]
            sums = {part: total + abs(explanation[part]) for part, total in sums.items()}
    assert all(sums[part] for part in PARTS if part != "adjustments"), sums


async def _number_of_events(database: TestDatabase, unit: Caller) -> int:
    return await database.fetchval("SELECT count(*) FROM events WHERE unit_id = $1", unit.unit_id)
