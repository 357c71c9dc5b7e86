"""The demo: creates sample rules and simulates visitors, only through the server's HTTP API."""

import asyncio
import json
import random
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import uuid4

import httpx
import structlog
import typer

from leadvibe.config import settings
from leadvibe.core.command_error import CommandError
from leadvibe.server.first_start import first_start_file

WEIGHTS = {
    "page_view": 1,
    "docs_view": 2,
    "email_open": 2,
    "email_click": 4,
    "pricing_view": 6,
    "webinar_attended": 15,
    "whitepaper_download": 8,
    "signup": 20,
    "demo_request": 30,
    "teammate_invited": 12,
    "careers_view": -5,
    "complaint": -15,
    "unsubscribe": -25,
}
"""The weights of the sample rules, by event type."""

JOURNEYS = {
    "passer-by": (6, ["page_view", "page_view", "careers_view"]),
    "reader": (4, ["page_view", "docs_view", "docs_view", "email_open", "whitepaper_download", "page_view"]),
    "evaluator": (3, ["page_view", "pricing_view", "docs_view", "signup", "webinar_attended", "email_click"]),
    "buyer": (2, ["pricing_view", "signup", "teammate_invited", "pricing_view", "demo_request", "email_click"]),
    "leaver": (1, ["page_view", "signup", "email_open", "complaint", "unsubscribe"]),
}
"""For each kind of visitor its relative frequency and its events; most visitors leave before the end."""

NAMES = (
    "ada",
    "blaise",
    "chien",
    "edsger",
    "frances",
    "grace",
    "hedy",
    "ivan",
    "jean",
    "kurt",
    "lise",
    "mary",
    "niels",
)
PAGES = ("/", "/product", "/blog/scoring", "/customers", "/about", "/changelog")
MAX_VISITORS = 25
"""Visitors at the same time."""

log = structlog.get_logger()


@dataclass
class Visitor:
    name: str
    journey: str
    steps: list[str] = field(default_factory=list[str])

    def next_event(self, rng: random.Random) -> dict[str, Any]:
        """The event of the next step; a sign-up adds the visitor's e-mail address as an alias."""
        kind = self.steps.pop(0)
        aliases = [{"alias_kind": "cookie", "raw_value": f"cookie-{self.name}"}]
        if kind == "signup":
            aliases.append({"alias_kind": "email", "raw_value": f"{self.name}@example.com"})
        metadata: dict[str, Any] = {"channel": "email" if kind.startswith("email") else "web", "visitor": self.journey}
        if kind == "page_view":
            metadata["page"] = rng.choice(PAGES)
        return {"lead_id": f"demo-{self.name}", "event_type": kind, "aliases": aliases, "metadata": metadata}


def visitors(
    url: Annotated[str, typer.Option(help="The server's address.")],
    seed: Annotated[int, typer.Option(help="The same seed plays the same visitors.")] = 1,
    rate: Annotated[float, typer.Option(min=0.01, help="Events per second, on average.")] = 4.0,
) -> None:
    """Simulate visitors on a running server until stopped."""
    asyncio.run(simulate(url, credential(), random.Random(seed), rate))  # noqa: S311 - a simulation, not a secret


def credential() -> tuple[str, str]:
    """The client id and secret of the first-start file."""
    path = first_start_file(settings().data_dir)
    try:
        first = json.loads(path.read_text())
    except FileNotFoundError:
        raise CommandError(f"No first-start file at {path}; the demo needs its credential.") from None
    return first["client_id"], first["client_secret"]


async def simulate(url: str, credential: tuple[str, str], rng: random.Random, rate: float) -> None:
    """Create missing rules, then send events one after the other at random times."""
    async with httpx.AsyncClient(base_url=url, auth=credential, timeout=30) as client:
        await request(client, "GET", "/readyz")
        await configure(client)
        active: list[Visitor] = []
        arrived = 0
        while True:
            while len(active) < MAX_VISITORS:
                active.append(new_visitor(rng, arrived))
                arrived += 1
            visitor = rng.choice(active)
            await send(client, visitor.next_event(rng), key=str(uuid4()))
            if not visitor.steps:
                active.remove(visitor)
            await asyncio.sleep(rng.expovariate(rate))


async def configure(client: httpx.AsyncClient) -> None:
    """Create the sample rules for event types without a rule."""
    existing = {rule["event_type"] for rule in (await request(client, "GET", "/rules", params={"limit": 500})).json()}
    for event_type, weight in WEIGHTS.items():
        if event_type not in existing:
            await request(client, "POST", "/rules", json={"event_type": event_type, "weight": weight})


async def send(client: httpx.AsyncClient, event: dict[str, Any], *, key: str) -> None:
    await request(client, "POST", "/ingest", json=event, headers={"Idempotency-Key": key})


async def request(client: httpx.AsyncClient, method: str, path: str, **options: Any) -> httpx.Response:
    """Send a request, and again while the server is unavailable or too busy; 4xx responses are logged and returned."""
    while True:
        try:
            response = await client.request(method, path, **options)
        except httpx.TransportError:
            response = None
        if response is not None and response.status_code < 500 and response.status_code != 429:
            if response.is_client_error:
                log.warning("request refused", method=method, path=path, code=response.status_code, body=response.text)
            return response
        await asyncio.sleep(0.2)


def new_visitor(rng: random.Random, number: int) -> Visitor:
    """A visitor with a random journey: extra page views in between, often only its first steps."""
    kinds = list(JOURNEYS)
    journey = rng.choices(kinds, [JOURNEYS[kind][0] for kind in kinds])[0]
    steps = [step for planned in JOURNEYS[journey][1] for step in (["page_view"] * rng.randint(0, 2) + [planned])]
    length = len(steps) if rng.random() < 0.3 else rng.randint(1, len(steps))
    return Visitor(f"{rng.choice(NAMES)}-{number}", journey, steps[:length])
