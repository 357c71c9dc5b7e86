"""Reads in an OU of a million leads, beside the same reads in one of ten thousand: `python -m benchmarks.reads`.

Both OUs are in one database and are read in turns over HTTP, one request at a time. `benchmarks.data` creates them.
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
MAX_RATIO: Final = 1.5
MAX_RATIO_TO_SQL: Final = 3.0
EXACT: Final = {"Prefer": "count=exact"}

FIND_RARE_EVENTS: Final = """
SELECT * FROM events WHERE unit_id = $1 AND metadata->>'coupon' = 'gold' ORDER BY occurred_at DESC LIMIT 50
"""
COUNT_EVENTS: Final = """
SELECT count(*) FROM events WHERE unit_id = $1 AND event_type = 'webinar' AND metadata->>'utm_campaign' = 'campaign-3'
"""
COUNT_LEADS: Final = "SELECT count(*) FROM leads WHERE unit_id = $1 AND merged_into IS NULL AND score >= 20"

Read = Callable[["Client", random.Random], None]


class Client:
    """A connection of the admin to one OU."""

    def __init__(self, port: int, unit: data.Unit) -> None:
        self.unit = unit
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)  # loopback, and nothing else
        self.headers = {"X-OU-ID": unit.unit_id, "Content-Type": "application/json"}
        self.sign_in()
        self.page: str | None = None

    def sign_in(self) -> None:
        sent = json.dumps({"email": data.EMAIL, "password": data.PASSWORD})
        token = json.loads(self._request("POST", "/auth/login", sent, {})[0])["access_token"]
        self.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **headers: str) -> tuple[Any, str]:
        """The decoded body, and the URL of the next page."""
        body, following = self._request("GET", path, None, headers)
        return json.loads(body), following

    def _request(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> tuple[bytes, str]:
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
    """Follow the Link header up to the twentieth page, then start again with the second."""
    if client.page is None or "page=20&" in client.page:
        client.page = client.get("/leads")[1]
    path = client.page.removeprefix(f"http://127.0.0.1:{client.port}")
    client.page = client.get(path)[1]


def search(words: Callable[[random.Random], str]) -> Read:
    return lambda client, chance: client.get(f"/leads/search?q={words(chance)}") and None


def one_lead(client: Client, chance: random.Random) -> None:
    lead_id = chance.choice(LEAD_IDS[client.unit])
    for path in ("", "/score-explain?all=true", "/activity?range=all"):
        client.get(f"/leads/{lead_id}{path}")


def common_value(client: Client, chance: random.Random) -> None:
    client.get(f"/events?metadata=utm_campaign:campaign-{chance.randint(1, 5)}")


LEAD_IDS: dict[data.Unit, list[str]] = {}

READS: Final[dict[str, Read]] = {
    "GET /leads, the first page": first_page,
    "GET /leads, following Link": next_page,
    "search: id prefix": search(lambda chance: f"{chance.randrange(16**4):04x}"),
    "search: alias prefix": search(lambda chance: f"{chance.choice(data.FIRST_NAMES)}.{chance.randrange(256):02x}"),
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
    """Run each read in both OUs in turns, so that other load on the machine affects both alike."""
    print(f"\n95th percentile of {SAMPLES} reads, without other load (aim: at most {MAX_RATIO} times)")
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
            f"  {what:34} {data.FEW_LEADS:,} leads: {1000 * few:7.1f} ms   "
            f"{data.MANY_LEADS:,} leads: {1000 * many:7.1f} ms   ratio {many / few:5.2f}"
        )


async def compare_with_sql(url: str, client: Client) -> None:
    """Measure reads whose cost grows with the data, beside SQL written by hand for the same result."""
    print(f"\nMedian of 7, {data.MANY_LEADS:,} leads, beside SQL by hand (aim: at most {MAX_RATIO_TO_SQL:g} times)")
    connection = await asyncpg.connect(asyncpg_dsn(url))
    pairs: list[tuple[str, str, str, dict[str, str]]] = [
        ("newest events of a rare value", "/events?metadata=coupon:gold", FIND_RARE_EVENTS, {}),
        (
            "total of a type and a value",
            "/events?event_type=webinar&metadata=utm_campaign:campaign-3",
            COUNT_EVENTS,
            EXACT,
        ),
        ("total of leads by score", "/leads?min_score=20", COUNT_LEADS, {}),
    ]
    for what, path, query, headers in pairs:
        ours, by_hand = list[float](), list[float]()
        for _ in range(7):
            client.connection.close()  # the server may have closed it during a long query
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
            LEAD_IDS.update({client.unit: client.lead_ids() for client in clients})
            compare(clients)
            asyncio.run(compare_with_sql(url, clients[-1]))


if __name__ == "__main__":
    main()
