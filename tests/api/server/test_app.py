"""Behavior common to all requests: ids, metrics, limits and problems; probes and the OpenAPI document."""

# Wrong types are sent on purpose.
# pyright: reportArgumentType=false

import json
import re
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import structlog

from leadvibe.core.database.transactions import close_database, open_database
from leadvibe.core.ids import new_uuid
from leadvibe.server.app import MAX_BODY_BYTES
from support.callers import Caller
from support.postgres import TestDatabase

PROBLEM = "application/problem+json"
KEYED_BY_REQUEST = {"/ingest/batch", "/import", "/events/import"}
"""Operations that answer 422 if their idempotency key was used with another body."""


def samples(text: str) -> dict[str, float]:
    """Prometheus text as `family{labels}` → value."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def metrics(caller: Caller) -> dict[str, float]:
    return samples((await caller.get("/metrics")).text)


def requests(method: str, code: int, route: str) -> str:
    return f'http_requests_total{{code="{code}",method="{method}",route="{route}"}}'


async def test_the_root_returns_ok(anonymous: Caller) -> None:
    response = await anonymous.get("/")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_the_home_page_names_itself(anonymous: Caller) -> None:
    response = await anonymous.get("/home")
    assert (response.status_code, response.json()) == (200, {"status": "ok", "page": "home"})


async def test_a_running_process_is_alive(anonymous: Caller) -> None:
    assert (await anonymous.get("/healthz")).json() == {"status": "ok"}


async def test_the_server_is_ready_if_the_database_is_migrated(anonymous: Caller) -> None:
    assert (await anonymous.get("/readyz")).json() == {"status": "ok"}


async def test_the_server_is_not_ready_if_migrations_are_missing(anonymous: Caller, database: TestDatabase) -> None:
    await database.execute("UPDATE alembic_version SET version_num = '0000'")
    response = await anonymous.get("/readyz")
    assert (response.status_code, response.headers["content-type"]) == (503, PROBLEM)
    assert "migrations" in response.json()["detail"]


@pytest.fixture
async def no_database(database: TestDatabase, app: Any) -> None:
    """The application runs, and its database can't be reached."""
    await close_database()
    open_database("postgresql://nobody@127.0.0.1:9/nothing")


@pytest.mark.usefixtures("no_database")
async def test_without_a_database_the_server_is_alive_but_not_ready(anonymous: Caller) -> None:
    assert (await anonymous.get("/healthz")).status_code == 200
    response = await anonymous.get("/readyz")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    counted = await metrics(anonymous)
    assert counted["queue_depth"] != counted["queue_depth"]  # not a number


@pytest.mark.usefixtures("no_database")
async def test_without_a_database_requests_get_503_with_retry_after(client: Caller) -> None:
    response = await client.get("/leads")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.headers["content-type"] == PROBLEM


async def test_metrics_are_prometheus_text(anonymous: Caller) -> None:
    response = await anonymous.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", response.text, re.MULTILINE))
    helped = set(re.findall(r"^# HELP (\S+) \S", response.text, re.MULTILINE))
    families = {
        "events_ingested_total": "counter",
        "events_processed_total": "counter",
        "events_failed_total": "counter",
        "http_requests_total": "counter",
        "queue_depth": "gauge",
        "queue_oldest_event_age_seconds": "gauge",
        "scoring_latency_seconds": "histogram",
        "event_to_slack_latency_seconds": "histogram",
    }
    assert {name: types.get(name) for name in families} == families
    assert families.keys() <= helped


async def test_the_queue_is_measured_at_each_scrape(anonymous: Caller, database: TestDatabase) -> None:
    counted = await metrics(anonymous)
    assert (counted["queue_depth"], counted["queue_oldest_event_age_seconds"]) == (0, 0)
    for minutes in (1, 60):
        await database.execute(
            "INSERT INTO inbox (route, event_id, unit_id, body, received_at) "
            "VALUES (1, $1, 'unit_1', '', now() - $2 * interval '1 minute')",
            new_uuid(),
            minutes,
        )
    counted = await metrics(anonymous)
    assert counted["queue_depth"] == 2
    assert 3600 <= counted["queue_oldest_event_age_seconds"] < 3700


async def test_requests_are_counted_by_the_template_of_their_route(client: Caller, make: Any) -> None:
    names = [
        requests("GET", 404, "/leads/{lead_id}"),
        requests("GET", 404, "/rulesets/{id}/rules"),
        requests("GET", 404, "unmatched"),
        requests("POST", 202, "/ingest"),
        requests("POST", 405, "/home"),
        "events_ingested_total",
    ]
    before = await metrics(client)
    await client.get("/leads/nobody")
    await client.get("/rulesets/rs_nothing/rules")
    await client.get("/nowhere")
    await client.get("/nowhere/else")
    await make.event()
    await client.post("/home")
    after = await metrics(client)
    assert [after[name] - before.get(name, 0) for name in names] == [1, 1, 2, 1, 1, 1]


def test_counts_of_several_processes_are_added(tmp_path: Path) -> None:
    count = "from leadvibe.core.metrics import EVENTS_PROCESSED; EVENTS_PROCESSED.inc(3)"
    show = (
        "import sys; from leadvibe.core.metrics import QueueState, exposition; "
        "sys.stdout.buffer.write(exposition(QueueState(5, 0.5)))"
    )
    for program in (count, count, show):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
            check=True,
            capture_output=True,
            text=True,
        )
    counted = samples(done.stdout)
    assert (counted["events_processed_total"], counted["queue_depth"]) == (6, 5)
    assert (counted["events_ingested_total"], counted[requests("GET", 200, "/metrics")]) == (0, 0)


async def test_a_request_keeps_the_id_that_the_client_sent(client: Caller) -> None:
    for path in ("/healthz", "/nowhere"):
        response = await client.get(path, headers={"X-Request-ID": "abc-123"})
        assert response.headers["x-request-id"] == "abc-123"
    response = await client.post("/ingest", content=b"{", headers={"X-Request-ID": "abc-123"})
    assert response.headers["x-request-id"] == "abc-123"


@pytest.mark.parametrize("given", ["", "a b", "a\tb", "é", "x" * 129])
async def test_a_request_id_that_is_unsafe_in_logs_is_replaced(anonymous: Caller, given: str) -> None:
    response = await anonymous.get("/healthz", headers={"X-Request-ID": given.encode()})
    assert re.fullmatch(r"req_[0-9a-f]{32}", response.headers["x-request-id"])


async def test_an_unknown_path_is_a_problem(client: Caller) -> None:
    response = await client.get("/nowhere")
    assert (response.status_code, response.headers["content-type"]) == (404, PROBLEM)
    assert response.json()["status"] == 404


@pytest.mark.parametrize(("method", "path"), [("GET", "/ingest"), ("PUT", "/ingest"), ("POST", "/home")])
async def test_a_wrong_method_is_a_problem_that_names_the_allowed_ones(client: Caller, method: str, path: str) -> None:
    response = await client.request(method, path)
    assert (response.status_code, response.headers["content-type"]) == (405, PROBLEM)
    assert response.headers["allow"]


@pytest.mark.parametrize("body", [b"{", b"nonsense", b'{"name": "\xff"}', b"[" * 100_000, b'{"name": "a"'])
async def test_a_body_that_is_not_json_is_a_400_that_names_the_body(client: Caller, body: bytes) -> None:
    response = await client.post("/rulesets", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.headers["content-type"]) == (400, PROBLEM)
    assert [error["field"] for error in response.json()["errors"]] == ["body"]


async def test_the_answer_to_half_a_surrogate_pair_is_valid_unicode(client: Caller) -> None:
    body = rb'{"name": "a", "\ud800": 1}'
    response = await client.post("/rulesets", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.headers["content-type"]) == (400, PROBLEM)
    assert response.json()["errors"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
async def test_a_body_of_another_content_type_is_refused(client: Caller, kind: str) -> None:
    response = await client.post("/rulesets", content=b'{"name": "a"}', headers={"Content-Type": kind})
    assert (response.status_code, response.headers["content-type"]) == (415, PROBLEM)


async def test_json_needs_no_content_type(client: Caller) -> None:
    response = await client.post("/rulesets", content=b'{"name": "a"}')
    assert response.status_code == 201


async def test_a_body_that_is_too_long_is_refused(client: Caller) -> None:
    body = json.dumps({"name": "a" * MAX_BODY_BYTES}).encode()

    async def in_pieces() -> AsyncGenerator[bytes]:
        for start in range(0, len(body), 1_000_000):
            yield body[start : start + 1_000_000]

    for content in (body, in_pieces()):
        response = await client.post("/rulesets", content=content, headers={"Content-Type": "application/json"})
        assert (response.status_code, response.headers["content-type"]) == (413, PROBLEM)


async def test_nul_in_a_path_is_not_a_server_error(client: Caller) -> None:
    response = await client.get("/jobs/job_%00")
    assert (response.status_code, response.headers["content-type"]) == (400, PROBLEM)


async def test_an_internal_error_is_a_problem_without_details(client: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("leadvibe.jobs.repository.JobRepository.get", crash)
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        response = await client.get("/jobs/job_1", headers={"X-Request-ID": "abc-123"})
    assert (response.status_code, response.headers["content-type"]) == (500, PROBLEM)
    assert "secret" not in response.text
    assert response.headers["x-request-id"] == "abc-123"
    assert [line["request_id"] for line in lines if line["event"] == "request failed"] == ["abc-123"]
    assert (await metrics(client))[requests("GET", 500, "/jobs/{job_id}")] >= 1


async def test_the_openapi_document_is_served(anonymous: Caller, app: Any) -> None:
    document = (await anonymous.get("/openapi.json")).json()
    assert document == json.loads(json.dumps(app.openapi()))
    assert (document["info"]["title"], document["info"]["version"]) == ("LeadVibe API", "1.0.0")


async def test_errors_are_described_as_problems(app: Any) -> None:
    document = app.openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert "422" not in operation["responses"] or path in KEYED_BY_REQUEST, (method, path)
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert list(response["content"]) == [PROBLEM], (method, path, status)
    assert "HTTPValidationError" not in document["components"]["schemas"]
