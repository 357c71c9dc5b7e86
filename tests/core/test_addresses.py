"""How the server finds out its own address and the client's, behind proxies and without."""

from ipaddress import ip_network
from typing import Any

import pytest
from pydantic import ValidationError

from leadvibe.config import Settings
from leadvibe.core.http.addresses import identified

TRUSTED = tuple(map(ip_network, ("10.0.0.0/8", "192.0.2.7", "fd00::/8")))
FORGED = {"x-forwarded-for": "9.9.9.9", "x-forwarded-proto": "https", "x-forwarded-host": "evil.example"}
AS_CONNECTED = ("http", "internal:8000")


async def seen(
    headers: dict[str, str] | list[tuple[str, str]], peer: str = "10.0.0.1", public_url: str | None = None
) -> tuple[str, str, tuple[str, int]]:
    """Scheme, host and client that the application sees."""
    sent = [("host", "internal:8000"), *(headers.items() if isinstance(headers, dict) else headers)]
    scope: dict[str, Any] = {
        "type": "http",
        "scheme": "http",
        "client": (peer, 4711) if peer else None,
        "headers": [(name.encode(), value.encode()) for name, value in sent],
    }

    async def app(scope: Any, receive: Any, send: Any) -> None:
        pass

    await identified(app, public_url, TRUSTED)(scope, None, None)  # type: ignore[arg-type]
    hosts = [value.decode() for name, value in scope["headers"] if name == b"host"]
    assert len(hosts) == 1
    return scope["scheme"], hosts[0], scope["client"]


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "192.0.2.8", "11.0.0.1", "fe80::1", "testclient"])
@pytest.mark.parametrize("headers", [FORGED, {"forwarded": "for=9.9.9.9;proto=https;host=evil.example"}])
async def test_headers_of_an_untrusted_peer_are_ignored(peer: str, headers: dict[str, str]) -> None:
    assert await seen(headers, peer) == (*AS_CONNECTED, (peer, 4711))


async def test_a_connection_without_an_address_is_not_trusted() -> None:
    assert (await seen(FORGED, ""))[:2] == AS_CONNECTED


@pytest.mark.parametrize("peer", ["10.0.0.1", "10.255.0.1", "192.0.2.7", "::ffff:10.0.0.1", "fd00::5"])
async def test_a_trusted_proxy_is_believed(peer: str) -> None:
    headers = {"x-forwarded-for": "9.9.9.9", "x-forwarded-proto": "https", "x-forwarded-host": "leads.example.com"}
    assert await seen(headers, peer) == ("https", "leads.example.com", ("9.9.9.9", 0))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-forwarded-proto": "HTTPS"}, ("https", "internal:8000", ("10.0.0.1", 4711))),
        ({"x-forwarded-for": "9.9.9.9:80"}, (*AS_CONNECTED, ("9.9.9.9", 80))),
        ({"x-forwarded-for": "2001:db8::1"}, (*AS_CONNECTED, ("2001:db8::1", 0))),
        ({"x-forwarded-for": "[2001:db8::1]:80"}, (*AS_CONNECTED, ("2001:db8::1", 80))),
        # Several hops: addresses on the left of the first untrusted one are the client's own invention.
        ({"x-forwarded-for": "1.1.1.1, 9.9.9.9, 10.0.0.2"}, (*AS_CONNECTED, ("9.9.9.9", 0))),
        ([("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "9.9.9.9")], (*AS_CONNECTED, ("9.9.9.9", 0))),
        ({"x-forwarded-for": "10.0.0.3, 10.0.0.2"}, (*AS_CONNECTED, ("10.0.0.3", 0))),
        (
            {"x-forwarded-for": "1.1.1.1, 9.9.9.9", "x-forwarded-proto": "https, http"},
            (*AS_CONNECTED, ("9.9.9.9", 0)),
        ),
        (
            {"x-forwarded-for": "9.9.9.9, 10.0.0.2", "x-forwarded-proto": "https, http"},
            ("https", "internal:8000", ("9.9.9.9", 0)),
        ),
        (
            {"x-forwarded-for": "9.9.9.9, 10.0.0.2", "x-forwarded-proto": "https"},
            ("https", "internal:8000", ("9.9.9.9", 0)),
        ),
        # Values that are not valid change nothing.
        ({"x-forwarded-proto": "gopher"}, (*AS_CONNECTED, ("10.0.0.1", 4711))),
        ({"x-forwarded-proto": ""}, (*AS_CONNECTED, ("10.0.0.1", 4711))),
        ({"x-forwarded-host": "a b/c"}, (*AS_CONNECTED, ("10.0.0.1", 4711))),
        ({"x-forwarded-host": "user@leads.example.com"}, (*AS_CONNECTED, ("10.0.0.1", 4711))),
        ({"x-forwarded-for": "unknown"}, (*AS_CONNECTED, ("10.0.0.1", 4711))),
        ({"x-forwarded-for": "9.9.9.9, nonsense"}, (*AS_CONNECTED, ("10.0.0.1", 4711))),
        ({"x-forwarded-for": "9.9.9.9:99999999"}, (*AS_CONNECTED, ("9.9.9.9", 0))),
        # RFC 7239
        (
            {"forwarded": "for=9.9.9.9;proto=https;host=leads.example.com"},
            ("https", "leads.example.com", ("9.9.9.9", 0)),
        ),
        (
            {"forwarded": 'For="[2001:db8::1]:80"; Proto=HTTPS; Host="[2001:db8::9]:443"'},
            ("https", "[2001:db8::9]:443", ("2001:db8::1", 80)),
        ),
        (
            {"forwarded": 'for=1.1.1.1;proto=http;host=evil.example, for=9.9.9.9;proto=https;by="a,b;c", for=10.0.0.2'},
            ("https", "internal:8000", ("9.9.9.9", 0)),
        ),
        ({"forwarded": "for=_hidden;proto=https"}, ("https", "internal:8000", ("10.0.0.1", 4711))),
        ({"forwarded": "for=unknown"}, (*AS_CONNECTED, ("10.0.0.1", 4711))),
        ({"forwarded": 'for="9.9.9.9'}, (*AS_CONNECTED, ("10.0.0.1", 4711))),
        ({"forwarded": ";;=,"}, (*AS_CONNECTED, ("10.0.0.1", 4711))),
        # A proxy that writes X-Forwarded-… may pass on the client's own Forwarded.
        (
            {"x-forwarded-for": "9.9.9.9", "forwarded": "for=1.1.1.1;proto=https;host=evil.example"},
            (*AS_CONNECTED, ("9.9.9.9", 0)),
        ),
    ],
)
async def test_the_reports_of_trusted_proxies(headers: Any, expected: tuple[str, str, tuple[str, int]]) -> None:
    assert await seen(headers) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [("Forwarded", 'for=192.0.2.1;x="' + '\\"' * 3_000), ("X-Forwarded-For", ", ".join(["192.0.2.1"] * 1_000))],
)
async def test_a_header_longer_than_proxies_write_is_ignored(name: str, value: str) -> None:
    assert await seen({name.lower(): value}) == await seen({})


@pytest.mark.parametrize("peer", ["10.0.0.1", "8.8.8.8"])
async def test_the_public_url_alone_decides_what_the_server_calls_itself(peer: str) -> None:
    assert (await seen(FORGED, peer, "https://leads.example.com"))[:2] == ("https", "leads.example.com")
    assert (await seen({}, peer, "http://leads.example.com:81"))[:2] == ("http", "leads.example.com:81")


async def test_with_a_public_url_the_client_is_still_known_from_trusted_proxies_only() -> None:
    url = "https://leads.example.com"
    assert (await seen({"x-forwarded-for": "9.9.9.9"}, public_url=url))[2] == ("9.9.9.9", 0)
    assert (await seen({"x-forwarded-for": "9.9.9.9"}, "8.8.8.8", url))[2] == ("8.8.8.8", 4711)


def test_settings_list_addresses_and_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADVIBE_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.7,fd00::/8,,172.16.5.1/12")
    assert Settings().trusted_proxies == (*TRUSTED, ip_network("172.16.0.0/12"))
    monkeypatch.setenv("LEADVIBE_TRUSTED_PROXIES", "")
    assert Settings().trusted_proxies == ()


@pytest.mark.parametrize("value", ["proxy.internal", "10.0.0.0/33", "*", "10.0.0.1;10.0.0.2"])
def test_settings_refuse_proxies_that_are_not_addresses(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADVIBE_TRUSTED_PROXIES", value)
    with pytest.raises(ValidationError, match="trusted_proxies"):
        Settings()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://leads.example.com", "https://leads.example.com"),
        ("https://leads.example.com/", "https://leads.example.com"),
        ("http://[2001:db8::1]:8000", "http://[2001:db8::1]:8000"),
        ("", None),
    ],
)
def test_a_public_url_has_no_trailing_slash(value: str, expected: str | None) -> None:
    assert Settings(public_url=value).public_url == expected


@pytest.mark.parametrize("value", ["leads.example.com", "ftp://leads.example.com", "https://", "https://a.example/b"])
def test_settings_refuse_other_public_urls(value: str) -> None:
    with pytest.raises(ValidationError, match="must be a URL without a path"):
        Settings(public_url=value)
