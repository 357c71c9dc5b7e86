"""Responses and log lines tell nothing to those whom it doesn't concern."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest
import structlog

from leadvibe.config import settings
from leadvibe.server.app import create_app
from support.callers import BASE_URL, Caller
from support.following import following
from support.lifespan import running
from support.sign_in import sign_in

LEAD = "ada-lovelace"


async def secrets(client: Caller, anonymous: Caller) -> Sequence[httpx.Response]:
    """Responses with a secret."""
    return (
        await sign_in(anonymous, "viewer@acme.example"),
        await anonymous.post("/auth/refresh"),
        await client.post("/settings/tokens", json={"name": "a"}),
        await client.post("/secrets", json={"name": "a"}),
        await client.post("/org-units/active", json={"ouId": client.unit_id}),
    )


async def test_no_cache_stores_a_response_with_a_secret(client: Caller, anonymous: Caller) -> None:
    for response in await secrets(client, anonymous):
        assert response.is_success
        assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/me", "/leads", "/healthz", "/openapi.json", "/nowhere", "/rules/rl_unknown"])
async def test_browsers_neither_guess_content_types_nor_send_referrers(client: Caller, path: str) -> None:
    for response in (await client.get(path), await client.head(path)):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers.get_list("cache-control") == ["no-store"]


async def test_raw_routes_and_streams_have_the_same_headers(app: Any, client: Caller) -> None:
    accepted = await client.post("/ingest", json={"event_type": "a", "lead_id": "b"})
    async with following(app, client.headers) as stream:
        for headers in (accepted.headers, stream.headers):
            assert headers["x-content-type-options"] == "nosniff"
            assert len(headers.get_list("cache-control")) == 1
            assert "no-store" in headers["cache-control"]


async def test_over_tls_browsers_are_told_to_stay_with_it(client: Caller) -> None:
    assert "strict-transport-security" not in (await client.get("/me")).headers
    over_tls = await client.get("https://leadvibe.test/me")
    assert over_tls.headers["strict-transport-security"] == "max-age=31536000"


async def test_behind_a_proxy_the_public_url_decides_whether_it_is_tls(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADVIBE_PUBLIC_URL", "https://leads.example.com")
    settings.cache_clear()
    try:
        transport = httpx.ASGITransport(create_app())
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as own:
        assert "strict-transport-security" in (await own.get("/healthz")).headers


async def logged(app: Any, caller: Caller, path: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The log line of a request."""
    lines = structlog.testing.CapturingLogger()
    monkeypatch.setattr("leadvibe.core.http.middleware.log", lines)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL, headers=caller.headers) as own:
        await own.get(path)
    [line] = lines.calls
    return line.kwargs


@pytest.mark.parametrize(
    ("path", "shown"),
    [(f"/leads/{LEAD}", "/leads/{lead_id}"), (f"/lead/{LEAD}/aliases", "/lead/{lead_id}/aliases"), ("/x", "unmatched")],
)
async def test_the_log_shows_routes_and_no_ids(
    app: Any, client: Caller, monkeypatch: pytest.MonkeyPatch, path: str, shown: str
) -> None:
    line = await logged(app, client, path, monkeypatch)
    assert line["path"] == shown
    assert LEAD not in repr(line)


async def test_a_setting_makes_the_log_show_whole_paths(
    app: Any, client: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADVIBE_LOG_PATHS", "true")
    settings.cache_clear()
    try:
        other = create_app()
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    async with running(other):
        line = await logged(other, client, f"/leads/{LEAD}", monkeypatch)
    assert line["path"] == f"/leads/{LEAD}"
