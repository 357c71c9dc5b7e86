"""Finds out how a client addressed the server, and from where: behind a proxy, the connection itself doesn't tell."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
Headers = list[tuple[bytes, bytes]]

MAX_HEADER_BYTES: Final = 4_096
"""Proxies pass on what their client sent. A longer header is ignored."""

_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_ELEMENTS: Final = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
_PAIR: Final = re.compile(r'\s*([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^;"\s]*))\s*(?:;|$)')


@dataclass(frozen=True, slots=True)
class Hop:
    """A proxy's report about the request that it received; None if it doesn't say or the value isn't valid."""

    client: tuple[Address, int] | None = None
    scheme: str | None = None
    host: str | None = None


def identified(app: ASGIApp, public_url: str | None, trusted: Sequence[Network]) -> ASGIApp:
    """`app` with the addresses corrected; `app` itself if the connection's own addresses are right."""
    return IdentifyAddresses(app, public_url, trusted) if public_url or trusted else app


class IdentifyAddresses:
    """Sets the scheme and `Host` of each request to those of the public URL.

    Without a public URL, they are those that trusted proxies report. These also report the client's address, always.
    """

    def __init__(self, app: ASGIApp, public_url: str | None, trusted: Sequence[Network]) -> None:
        self.app = app
        self._public = None
        if public_url is not None:
            url = urlsplit(public_url)
            self._public = (url.scheme, url.netloc)
        self._trusted = tuple(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope.get("client")
        address = _address(peer[0]) if peer else None
        scheme = host = None
        if address is not None and self._trusts(address):
            for hop in reversed(_hops(scope["headers"])):  # the nearest proxy's report is the last one
                scheme, host = hop.scheme or scheme, hop.host or host
                if hop.client is None:
                    break
                address, port = hop.client
                scope["client"] = (str(address), port)
                if not self._trusts(address):
                    break
        if self._public is not None:
            scheme, host = self._public
        scope["scheme"] = scheme or scope["scheme"]
        if host is not None:
            scope["headers"] = [header for header in scope["headers"] if header[0] != b"host"]
            scope["headers"].append((b"host", host.encode()))
        await self.app(scope, receive, send)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _hops(headers: Headers) -> list[Hop]:
    """The reports of all proxies, the one nearest to the client first.

    `X-Forwarded-…` wins over `Forwarded`: most proxies overwrite only these, and pass on the client's `Forwarded`.
    """
    clients, schemes, hosts = (
        _values(headers, name) for name in (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host")
    )
    number = max(len(clients), 1)
    if not clients and not schemes and not hosts:
        return [_element(text) for text in _ELEMENTS.findall(_joined(headers, b"forwarded"))]
    return [
        Hop(_client(_at(clients, hop)), _scheme(_at(schemes, hop)), _host(_at(hosts, hop)))
        for hop in reversed(range(1, number + 1))
    ]


def _at(values: list[str], from_end: int) -> str | None:
    """The value of this hop. A proxy that finds a value often leaves it as it is, so the first one is reused."""
    return values[-min(from_end, len(values))] if values else None


def _element(text: str) -> Hop:
    """A hop in a `Forwarded` header, like `for="[2001:db8::1]:4711";proto=https;host=example.com` (RFC 7239)."""
    pairs: dict[str, str] = {}
    position = 0
    text = text.strip()
    while position < len(text):
        match = _PAIR.match(text, position)
        if match is None:
            return Hop()
        name, quoted, token = match.groups()
        pairs[name.lower()] = token if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        position = match.end()
    return Hop(_client(pairs.get("for")), _scheme(pairs.get("proto")), _host(pairs.get("host")))


def _joined(headers: Headers, name: bytes) -> str:
    """The values of a header; empty if they are longer than proxies write."""
    joined = b",".join(value for key, value in headers if key == name)
    return joined.decode("latin-1") if len(joined) <= MAX_HEADER_BYTES else ""


def _values(headers: Headers, name: bytes) -> list[str]:
    joined = _joined(headers, name)
    return [value.strip() for value in joined.split(",")] if joined.strip() else []


def _scheme(value: str | None) -> str | None:
    value = (value or "").lower()
    return value if value in {"http", "https"} else None


def _host(value: str | None) -> str | None:
    return value if value is not None and _HOST.fullmatch(value) else None


def _client(value: str | None) -> tuple[Address, int] | None:
    """Parse `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:4711`."""
    value = value or ""
    if value.startswith("["):
        host, _, port = value[1:].partition("]")
        port = port.removeprefix(":")
    elif value.count(":") == 1:
        host, _, port = value.partition(":")
    else:
        host, port = value, ""
    address = _address(host)
    valid_port = port.isascii() and port.isdigit() and len(port) <= 5
    return None if address is None else (address, int(port) if valid_port else 0)


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket that listens on IPv6 shows IPv4 clients as ::ffff:192.0.2.1.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
