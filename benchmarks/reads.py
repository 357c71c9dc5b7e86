"""Reads in an OU of a million leads, beside the same reads in one of ten thousand: `python -m benchmarks.reads`.

Both OUs live in one database and are asked in turns, over HTTP, one request at a time. `benchmarks.data` makes them.
"""

import asyncio
import http.client
import json
import os
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import asyncpg

from benchmarks import data
from benchmarks.servers import lasting_database, server
from leadvibe.core.database.transactions import asyncpg_dsn

SAMPLES: Final = int(os.environ.get("BENCH_SAMPLES", "300"))
AIM: Final = 1.5
BY_HAND_AIM: Final = 3.0
EXACT: Final = {"Prefer": "count=exact"}

RARE: Final = """
SELECT * FROM events WHERE unit_id = $1 AND metadata->>'coupon' = 'gold' ORDER BY occurred_at DESC LIMIT 50
"""
EVENTS_LIKE_IT: Final = """
SELECT count(*) FROM events WHERE unit_id = $1 AND event_type = 'webinar' AND metadata->>'utm_campaign' = 'campaign-3'
"""
LEADS_LIKE_IT: Final = "SELECT count(*) FROM leads WHERE unit_id = $1 AND merged_into IS NULL AND score >= 20"

Read = Callable[["Client", random.Random], None]


class Client:
    """One connection of the admin's, in one OU."""

    def __init__(self, port: int, unit: data.Unit) -> None:
        self.unit = unit
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)  # loopback, and nothing else
        self.headers = {"X-OU-ID": unit.unit_id, "Content-Type": "application/json"}
        self.sign_in()
        self.page: str | None = None

    def sign_in(self) -> None:
        sent = json.dumps({"email": data.EMAIL, "password": data.PASSWORD})
        token = json.loads(self._ask("POST", "/auth/login", sent, {})[0])["access_token"]
        self.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **headers: str) -> tuple[Any, str]:
        """What it answers, and where the next page is."""
        body, following = self._ask("GET", path, None, headers)
        return json.loads(body), following

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> tuple[bytes, str]:
        self.connection.request(method, path, body, {**self.headers, **headers})
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: {answer.status} {content[:300]!r}")
        links = answer.getheader("Link") or ""
        return content, next((link[1 : link.index(">")] for link in links.split(", ") if 'rel="next"' in link), "")

    def lead_ids(self) -> list[str]:
        return [lead["lead_id"] for lead in self.get("/leads?limit=500")[0]["leads"]]


def first_page(client: Client, chance: random.Random) -> None:
    client.get("/leads")


def next_page(client: Client, chance: random.Random) -> None:
    """Page after page, up to the twentieth, then from the second again."""
    if client.page is None or "page=20&" in client.page:
        client.page = client.get("/leads")[1]
    path = client.page.removeprefix(f"http://127.0.0.1:{client.port}")
    client.page = client.get(path)[1]


def search(words: Callable[[random.Random], str]) -> Read:
    return lambda client, chance: client.get(f"/leads/search?q={words(chance)}") and None


def one_lead(client: Client, chance: random.Random) -> None:
    lead_id = chance.choice(KNOWN[client.unit])
    for path in ("", "/score-explain?all=true", "/activity?range=all"):
        client.get(f"/leads/{lead_id}{path}")


def common_value(client: Client, chance: random.Random) -> None:
    client.get(f"/events?metadata=utm_campaign:campaign-{chance.randint(1, 5)}")


KNOWN: dict[data.Unit, list[str]] = {}

READS: Final[dict[str, Read]] = {
    "GET /leads, the first page": first_page,
    "GET /leads, following Link": next_page,
    "search: id prefix": search(lambda chance: f"{chance.randrange(16**4):04x}"),
    "search: alias prefix": search(lambda chance: f"{chance.choice(data.FIRST)}.{chance.randrange(256):02x}"),
    "search: alias contains, many do": search(lambda chance: f"company{chance.randrange(10)}"),
    "search: alias contains, few do": search(lambda chance: f"company{chance.randrange(1000, 5000)}."),
    "a lead, its explain and activity": one_lead,
    "newest events of a common value": common_value,
}


def seconds_of(read: Read, client: Client, chance: random.Random) -> float:
    began = time.perf_counter()
    read(client, chance)
    return time.perf_counter() - began


def p95(seconds: Sequence[float]) -> float:
    return sorted(seconds)[len(seconds) * 95 // 100]


def compare(clients: Sequence[Client]) -> None:
    """Each read in both OUs in turns, so that what else the machine does hits both alike."""
    print(f"\n95 % of {SAMPLES} reads, alone on the server (aim: at most {AIM} times)")
    for what, read in READS.items():
        chance = random.Random(7)
        for _ in range(10):
            for client in clients:
                read(client, chance)
        measured: list[list[float]] = [[], []]
        for number in range(2 * SAMPLES):
            measured[number % 2].append(seconds_of(read, clients[number % 2], chance))
        few, many = map(p95, measured)
        print(
            f"  {what:34} {data.FEW:,} leads: {1000 * few:7.1f} ms   "
            f"{data.MANY:,} leads: {1000 * many:7.1f} ms   ratio {many / few:5.2f}"
        )


async def compare_by_hand(url: str, client: Client) -> None:
    """What costs more the more there is, beside SQL that somebody would write for it."""
    print(f"\nMedian of 7, {data.MANY:,} leads, beside a query written by hand (aim: at most {BY_HAND_AIM:g} times)")
    connection = await asyncpg.connect(asyncpg_dsn(url))
    pairs: list[tuple[str, str, str, dict[str, str]]] = [
        ("newest events of a rare value", "/events?metadata=coupon:gold", RARE, {}),
        (
            "total of a type and a value",
            "/events?event_type=webinar&metadata=utm_campaign:campaign-3",
            EVENTS_LIKE_IT,
            EXACT,
        ),
        ("total of leads by score", "/leads?min_score=20", LEADS_LIKE_IT, {}),
    ]
    for what, path, query, headers in pairs:
        ours, by_hand = list[float](), list[float]()
        for _ in range(7):
            client.connection.close()  # the server closed it, if the last query took long
            began = time.perf_counter()
            client.get(path, **headers)
            middle = time.perf_counter()
            await connection.fetch(query, client.unit.unit_id)
            ours.append(middle - began)
            by_hand.append(time.perf_counter() - middle)
        a, b = sorted(ours)[3], sorted(by_hand)[3]
        print(f"  {what:34} ours {1000 * a:8.1f} ms   by hand {1000 * b:8.1f} ms   ratio {a / b:5.2f}")
    await connection.close()


def main() -> None:
    with lasting_database() as url:
        asyncio.run(data.make(url))
        with server("leadvibe", "api", url=url) as port:
            clients = [Client(port, unit) for unit in data.UNITS]
            KNOWN.update({client.unit: client.lead_ids() for client in clients})
            compare(clients)
            asyncio.run(compare_by_hand(url, clients[-1]))


if __name__ == "__main__":
    main()
