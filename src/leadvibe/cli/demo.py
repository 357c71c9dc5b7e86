"""The demonstration: a sample configuration and made-up visitors, who know nothing of the server but its HTTP API."""

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
from leadvibe.server.first_start import note

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
"""What the sample rules pay."""

JOURNEYS = {
    "passer-by": (6, ["page_view", "page_view", "careers_view"]),
    "reader": (4, ["page_view", "docs_view", "docs_view", "email_open", "whitepaper_download", "page_view"]),
    "evaluator": (3, ["page_view", "pricing_view", "docs_view", "signup", "webinar_attended", "email_click"]),
    "buyer": (2, ["pricing_view", "signup", "teammate_invited", "pricing_view", "demo_request", "email_click"]),
    "leaver": (1, ["page_view", "signup", "email_open", "complaint", "unsubscribe"]),
}
"""How often each kind of visitor comes, and what it does; most are gone before the end."""

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
PRESENT = 25
"""Visitors at any time."""

log = structlog.get_logger()


@dataclass
class Visitor:
    name: str
    journey: str
    steps: list[str] = field(default_factory=list[str])

    def next_event(self, chance: random.Random) -> dict[str, Any]:
        """The event of the next step; whoever signs up is known by e-mail from then on."""
        kind = self.steps.pop(0)
        aliases = [{"alias_kind": "cookie", "raw_value": f"cookie-{self.name}"}]
        if kind == "signup":
            aliases.append({"alias_kind": "email", "raw_value": f"{self.name}@example.com"})
        metadata: dict[str, Any] = {"channel": "email" if kind.startswith("email") else "web", "visitor": self.journey}
        if kind == "page_view":
            metadata["page"] = chance.choice(PAGES)
        return {"lead_id": f"demo-{self.name}", "event_type": kind, "aliases": aliases, "metadata": metadata}


def visitors(
    url: Annotated[str, typer.Option(help="The server's address.")],
    seed: Annotated[int, typer.Option(help="The same seed plays the same visitors.")] = 1,
    rate: Annotated[float, typer.Option(min=0.01, help="Events per second, on average.")] = 4.0,
) -> None:
    """Play visitors on a running server until stopped."""
    asyncio.run(play(url, credential(), random.Random(seed), rate))  # noqa: S311 - a play, not a secret


def credential() -> tuple[str, str]:
    """The first start's client id and secret."""
    path = note(settings().data_dir)
    try:
        known = json.loads(path.read_text())
    except FileNotFoundError:
        raise CommandError(f"The visitors need the first start's credential, and there is no {path}.") from None
    return known["client_id"], known["client_secret"]


async def play(url: str, identity: tuple[str, str], chance: random.Random, rate: float) -> None:
    """Configure what is missing, then send events at random moments, one after the other."""
    async with httpx.AsyncClient(base_url=url, auth=identity, timeout=30) as client:
        await until_answered(client, "GET", "/readyz")
        await configure(client)
        crowd: list[Visitor] = []
        arrived = 0
        while True:
            while len(crowd) < PRESENT:
                crowd.append(arrival(chance, arrived))
                arrived += 1
            visitor = chance.choice(crowd)
            await send(client, visitor.next_event(chance), key=str(uuid4()))
            if not visitor.steps:
                crowd.remove(visitor)
            await asyncio.sleep(chance.expovariate(rate))


async def configure(client: httpx.AsyncClient) -> None:
    """Add the sample rules for event types that no rule knows yet."""
    known = {
        rule["event_type"] for rule in (await until_answered(client, "GET", "/rules", params={"limit": 500})).json()
    }
    for event_type, weight in WEIGHTS.items():
        if event_type not in known:
            await until_answered(client, "POST", "/rules", json={"event_type": event_type, "weight": weight})


async def send(client: httpx.AsyncClient, event: dict[str, Any], *, key: str) -> None:
    await until_answered(client, "POST", "/ingest", json=event, headers={"Idempotency-Key": key})


async def until_answered(client: httpx.AsyncClient, method: str, path: str, **what: Any) -> httpx.Response:
    """Ask again while the server is away or too busy; what it refuses, it refuses for good."""
    while True:
        try:
            answer = await client.request(method, path, **what)
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.status_code < 500 and answer.status_code != 429:
            if answer.is_client_error:
                log.warning("refused", method=method, path=path, status=answer.status_code, answer=answer.text)
            return answer
        await asyncio.sleep(0.2)


def arrival(chance: random.Random, number: int) -> Visitor:
    """Somebody new: one of the journeys, with a few page views in between, and perhaps only its beginning."""
    kinds = list(JOURNEYS)
    journey = chance.choices(kinds, [JOURNEYS[kind][0] for kind in kinds])[0]
    steps = [step for planned in JOURNEYS[journey][1] for step in (["page_view"] * chance.randint(0, 2) + [planned])]
    kept = len(steps) if chance.random() < 0.3 else chance.randint(1, len(steps))
    return Visitor(f"{chance.choice(NAMES)}-{number}", journey, steps[:kept])
