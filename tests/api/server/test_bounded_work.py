"""Expensive requests are bounded: in time, in number, and in the connections that they take."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import text

from leadvibe.access.expensive import expensive_operations
from leadvibe.config import Settings, settings
from leadvibe.core.database.transactions import Database, Pool, connections_of, transaction
from leadvibe.core.database.transactions import database as program
from leadvibe.core.http import request_time
from support.callers import Caller, basic_authorization
from support.endless import EndlessWork
from support.leaving import LeavingClient
from support.make import Make
from support.postgres import TestDatabase
from support.waiting import eventually
from support.world import PASSWORD, World

Drain = Callable[[], Awaitable[None]]

DRAFT = {"rules": [{"event_type": "page_view", "weight": 9}]}
RULE_TEST = {"lead_id": "lead-1", "rule": {"event_type": "page_view", "weight": 9}}
ORDINARY_CONNECTIONS = 5
RESERVED_CONNECTIONS = 2


class CountingWork(EndlessWork):
    """Endless work that knows how many connections the program held when it began."""

    connections: int | None = None

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.connections = connections_in_use()
        return super().__call__(*arguments, **options)


def connections_in_use() -> int:
    pools: list[Any] = [engine.pool for engine in {id(each): each for each in engines().values()}.values()]
    return sum(pool.checkedout() for pool in pools)


def engines() -> dict[Pool, Any]:
    return {pool: maker.kw["bind"] for pool, maker in program().sessions.items()}


def set_settings(monkeypatch: pytest.MonkeyPatch, *modules: str, **values: Any) -> None:
    changed = settings().model_copy(update=values)
    for module in modules:
        monkeypatch.setattr(f"{module}.settings", lambda: changed)


@pytest.fixture(autouse=True)
def watched_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_time, "WATCH_AFTER_SECONDS", 0)


@pytest.fixture
async def lead(make: Make, drain: Drain) -> None:
    await make.rule()
    await make.event()
    await drain()


COMPUTATIONS: dict[str, tuple[str, Any]] = {
    "leadvibe.simulation.trial.fold_stoppable": ("/rulesets/simulate", DRAFT),
    "leadvibe.simulation.rule_test._test": ("/engagement-scoring/test", RULE_TEST),
}


@pytest.mark.usefixtures("lead")
@pytest.mark.parametrize("computation", COMPUTATIONS)
async def test_the_work_for_a_client_that_left_is_stopped(
    app: Any, viewer: Caller, computation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, (path, body) = CountingWork(), COMPUTATIONS[computation]
    monkeypatch.setattr(computation, work)
    request = LeavingClient(app, viewer, "POST", path, body)
    await work.has_begun()
    await request.leave()
    assert (work.stopped, request.status) == (True, 499)
    assert connections_in_use() == 0
    with ExitStack() as stack:  # the operation is no longer counted
        for _ in range(settings().expensive_operations_per_unit):
            stack.enter_context(expensive_operations.running(viewer.unit_id))


@pytest.mark.usefixtures("lead")
@pytest.mark.parametrize("computation", COMPUTATIONS)
async def test_late_work_is_stopped_and_answered_with_the_limit(
    viewer: Caller, computation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, (path, body) = CountingWork(), COMPUTATIONS[computation]
    monkeypatch.setattr(computation, work)
    set_settings(monkeypatch, "leadvibe.server.app", request_timeout=timedelta(seconds=1))
    response = await viewer.post(path, json=body)
    assert work.stopped
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert "1 seconds (LEADVIBE_REQUEST_TIMEOUT)" in response.json()["detail"]
    assert "x-request-id" in response.headers


@pytest.mark.usefixtures("lead")
@pytest.mark.parametrize("computation", COMPUTATIONS)
async def test_no_connection_is_held_while_the_program_computes(
    app: Any, viewer: Caller, computation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, (path, body) = CountingWork(), COMPUTATIONS[computation]
    monkeypatch.setattr(computation, work)
    request = LeavingClient(app, viewer, "POST", path, body)
    await work.has_begun()
    await request.leave()
    assert work.connections == 0


async def test_no_connection_is_held_while_an_uploaded_file_is_read(
    client: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = CountingWork()
    monkeypatch.setattr("leadvibe.leads.importing.upload.read_leads", work)
    set_settings(monkeypatch, "leadvibe.server.app", request_timeout=timedelta(seconds=1))
    response = await client.post("/leads/import/preview", files={"file": ("leads.csv", b"Email\na@example.com\n")})
    assert (response.status_code, work.connections, work.stopped) == (503, 0, True)


@pytest.mark.parametrize(("text_", "seconds"), [("90", 90), ("0.5", 0.5), ("PT2M", 120)])
def test_the_request_timeout_is_read_as_seconds_or_as_a_duration(
    text_: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADVIBE_REQUEST_TIMEOUT", text_)
    assert Settings().request_timeout == timedelta(seconds=seconds)


async def test_a_query_for_a_client_that_left_is_cancelled(app: Any, client: Caller, database: TestDatabase) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def is_waiting() -> bool:
        return await database.fetchval(waiting) == 1

    async def is_gone() -> bool:
        return await database.fetchval(waiting) == 0

    other = await asyncpg.connect(database.url)
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE jobs")
            request = LeavingClient(app, client, "GET", "/jobs/job_x")
            await eventually(is_waiting)
            await request.leave()
            await eventually(is_gone)
    finally:
        await other.close()
    assert connections_in_use() == 0
    assert (await client.get("/jobs/job_x")).status_code == 404


async def test_the_database_ends_transactions_that_outlive_their_process(database: TestDatabase) -> None:
    limited = Database(database.url, pool_size=1, reserved=1, transaction_limit=timedelta(seconds=20))
    try:
        for pool in Pool:
            async with limited.sessions[pool]() as session:
                version = int(await session.scalar(text("SHOW server_version_num")))
                names = ["statement_timeout", "idle_in_transaction_session_timeout"]
                names += ["transaction_timeout"] if version >= 170_000 else []
                found = {name: await session.scalar(text(f"SHOW {name}")) for name in names}
                assert found == dict.fromkeys(names, "25s")
    finally:
        await limited.close()


@asynccontextmanager
async def all_connections(pools: Sequence[Pool]) -> AsyncGenerator[None]:
    async with AsyncExitStack() as stack:
        for pool in pools:
            for _ in range(ORDINARY_CONNECTIONS if pool is Pool.ORDINARY else RESERVED_CONNECTIONS):
                session = await stack.enter_async_context(transaction(None, pool=pool))
                await session.execute(text("SELECT 1"))
        yield


async def test_ingest_readiness_and_sign_in_work_while_all_other_connections_are_busy(
    client: Caller, basic: Caller, anonymous: Caller, make: Make, database: TestDatabase
) -> None:
    token = (await make.token())["token"]
    credential = await make.credential()  # not in the cache of credentials
    basic_auth = {"Authorization": basic_authorization(credential["client_id"], credential["client_secret"])}
    by_token = {"Authorization": f"Bearer {token}", "X-OU-ID": client.unit_id}
    event = {"event_type": "page_view", "lead_id": "lead-1"}
    async with all_connections([Pool.ORDINARY]):
        answers = {
            "member": await client.post("/ingest", json=event),
            "credential": await anonymous.post("/ingest", json=event, headers=basic_auth),
            "personal token": await anonymous.post("/events", json=event, headers=by_token),
            "batch": await client.post("/ingest/batch", json=[event]),
            "batch with a key": await basic.post("/ingest/batch", json=[event], headers={"Idempotency-Key": "k"}),
            "readiness": await anonymous.get("/readyz"),
            "sign-in": await anonymous.post("/auth/login", json={"email": client.who.email, "password": PASSWORD}),
            "refresh": await anonymous.post("/auth/refresh"),
            "sign-out": await anonymous.post("/auth/logout"),
        }
    accepted = dict.fromkeys(["member", "credential", "personal token", "batch", "batch with a key"], 202)
    others = {"readiness": 200, "sign-in": 200, "refresh": 200, "sign-out": 204}
    assert {name: answer.status_code for name, answer in answers.items()} == accepted | others
    assert await database.fetchval("SELECT count(*) FROM inbox") == 5


async def test_other_operations_work_without_the_reserved_connections(client: Caller, make: Make) -> None:
    csv = {"file": ("events.csv", b"event_type,lead_id\npage_view,lead-1\n")}
    await make.lead()
    async with all_connections([Pool.INGEST, Pool.ACCESS]):
        assert (await client.get("/rules")).status_code == 200
        assert (await client.post("/import", files=csv)).status_code == 202
        assert (await client.post("/rulesets/simulate", json=DRAFT)).status_code == 200


async def test_sign_in_works_while_ingest_has_taken_all_its_connections(client: Caller, anonymous: Caller) -> None:
    async with all_connections([Pool.ORDINARY, Pool.INGEST]):
        assert (await anonymous.get("/readyz")).status_code == 200
        signed_in = await anonymous.post("/auth/login", json={"email": client.who.email, "password": PASSWORD})
        assert signed_in.status_code == 200


async def test_a_pool_is_chosen_for_the_block_only(database: TestDatabase) -> None:
    reserved, ordinary = engines()[Pool.INGEST].pool, engines()[Pool.ORDINARY].pool
    with connections_of(Pool.INGEST):
        async with transaction(None) as session:
            await session.execute(text("SELECT 1"))
            assert (reserved.checkedout(), ordinary.checkedout()) == (1, 0)
    async with transaction(None) as session:
        await session.execute(text("SELECT 1"))
        assert (reserved.checkedout(), ordinary.checkedout()) == (0, 1)


EVENTS_FILE = {"file": ("events.csv", b"event_type,lead_id\npage_view,lead-1\n")}
LEADS_FILE = {"file": ("leads.csv", b"Email\na@example.com\n")}
MERGE = {"targetLeadId": "lead-1", "sourceLeadIds": ["lead-2"]}
EXPENSIVE_OPERATIONS: dict[str, dict[str, Any]] = {
    "POST /rulesets/simulate": {"json": {}},
    "POST /engagement-scoring/test": {"json": RULE_TEST},
    "POST /leads/import/preview": {"files": LEADS_FILE},
    "POST /import": {"files": EVENTS_FILE},
    "POST /events/import": {"files": EVENTS_FILE},
    "GET /events/export": {},
    "POST /leads/merge/preview": {"json": MERGE},
    "POST /leads/merge": {"json": MERGE},
}


async def call(caller: Caller, operation: str) -> httpx.Response:
    method, path = operation.split()
    return await caller.request(method, path, **EXPENSIVE_OPERATIONS[operation])


def fill(stack: ExitStack, *unit_ids: str) -> None:
    """Let these OUs run as many expensive operations as each may."""
    for unit_id in unit_ids:
        for _ in range(settings().expensive_operations_per_unit):
            stack.enter_context(expensive_operations.running(unit_id))


@pytest.mark.parametrize("operation", EXPENSIVE_OPERATIONS)
async def test_an_expensive_operation_beyond_the_limit_of_its_ou_is_refused(
    client: Caller, stranger: Caller, make: Make, operation: str
) -> None:
    for caller in (client, stranger):
        for lead_id in ("lead-1", "lead-2"):
            await make.by(caller).lead(lead_id)
    with ExitStack() as stack:
        fill(stack, client.unit_id)
        refused = await call(client, operation)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        assert "At most 4 " in refused.json()["detail"]
        assert "in one OU (LEADVIBE_EXPENSIVE_OPERATIONS_PER_UNIT)" in refused.json()["detail"]
        assert (await call(stranger, operation)).is_success
    assert (await call(client, operation)).is_success


@pytest.mark.parametrize("operation", EXPENSIVE_OPERATIONS)
async def test_an_expensive_operation_beyond_the_limit_of_the_process_is_refused(
    client: Caller, make: Make, operation: str
) -> None:
    for lead_id in ("lead-1", "lead-2"):
        await make.lead(lead_id)
    with ExitStack() as stack:
        fill(stack, "unit_one", "unit_two")
        refused = await call(client, operation)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        assert "At most 8 " in refused.json()["detail"]
        assert "in one process of the server (LEADVIBE_EXPENSIVE_OPERATIONS)" in refused.json()["detail"]
    assert (await call(client, operation)).is_success
    assert not expensive_operations._running


async def test_a_caller_without_the_role_takes_no_place(viewer: Caller) -> None:
    with ExitStack() as stack:
        fill(stack, viewer.unit_id)
        assert (await call(viewer, "POST /leads/merge")).status_code == 403
        assert (await call(viewer, "POST /import")).status_code == 403


async def test_an_export_counts_until_its_last_part_is_sent(
    client: Caller, make: Make, drain: Drain, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make.event()
    await drain()
    counted: list[int] = []

    def line_of(rows: Any) -> str:
        counted.append(expensive_operations._running[client.unit_id])
        return f"{len(list(rows))}\n"

    monkeypatch.setattr("leadvibe.events.export._lines", line_of)
    assert (await client.get("/events/export")).text == "1\n1\n"
    assert counted == [1, 1]
    assert not expensive_operations._running
