"""Reads beside a lead with 50,000 aliases, and the same reads in an OU without it: `python -m benchmarks.many_aliases`.

Both OUs are in one database and are read in turns over HTTP. `/healthz` is read while another client lists the aliases
of one lead again and again: of the lead with 50,000 aliases, or of one with 50.
"""

import asyncio
import random
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import asyncpg

from benchmarks import data
from benchmarks.reads import MAX_RATIO, SAMPLES, Client, p95, seconds_of
from benchmarks.servers import empty_database, server
from leadvibe.core.database.migrations import migrate
from leadvibe.core.database.transactions import asyncpg_dsn, close_database, open_database
from leadvibe.server.bootstrap import bootstrap

LEADS: Final = 1_000
FEW_ALIASES: Final = 50
MANY_ALIASES: Final = 50_000
READS_PER_TURN: Final = 20
LEAD: Final = "one"
"""The lead with few or many aliases; the first one of the list."""

ADD_LEAD: Final = "INSERT INTO leads (unit_id, lead_id, score) VALUES ($1, $2, 1000)"
ADD_ALIASES: Final = """
INSERT INTO aliases (unit_id, kind, value, raw_value, lead_id, created_at)
SELECT $1, (ARRAY['cookie', 'cookie', 'cookie', 'email'])[1 + number % 4], md5($1 || number) || '@example.com', '', $2,
    now() - number * interval '1 second'
FROM generate_series(1, $3::int) AS number
"""
COUNT_LEADS: Final = "INSERT INTO lead_counts SELECT unit_id, 0, count(*) FROM leads WHERE unit_id = $1 GROUP BY 1"


UNITS: Final = ((data.Unit("unit_few", LEADS), FEW_ALIASES), (data.Unit("unit_many", LEADS), MANY_ALIASES))


async def make(url: str) -> None:
    await migrate(url)
    open_database(url)
    await bootstrap(organization="Bench", unit="Bench", email=data.EMAIL, password=data.PASSWORD)
    await close_database()
    connection = await asyncpg.connect(asyncpg_dsn(url))
    for unit, aliases in UNITS:
        await data.add_unit(connection, unit)
        await connection.execute(data.ADD_LEADS, unit.unit_id, 1, unit.leads)
        async with connection.transaction():
            await connection.execute(ADD_LEAD, unit.unit_id, LEAD)
            await connection.execute(ADD_ALIASES, unit.unit_id, LEAD, aliases)
        await connection.execute(COUNT_LEADS, unit.unit_id)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def aliases_page(client: Client, chance: random.Random) -> None:
    client.get(f"/lead/{LEAD}/aliases")


def leads_page(client: Client, chance: random.Random) -> None:
    client.get("/leads?limit=50")


def health(client: Client, chance: random.Random) -> None:
    client.get("/healthz")


@contextmanager
def listing_aliases(client: Client) -> Generator[None]:
    """List the lead's aliases again and again in another thread, with a connection of its own."""
    other, stop = Client(client.port, client.unit), threading.Event()

    def repeat() -> None:
        while not stop.is_set():
            aliases_page(other, random.Random(0))

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def nothing(client: Client) -> Generator[None]:
    yield


def compare(port: int) -> None:
    clients = [Client(port, unit) for unit, _ in UNITS]
    print(f"\n95th percentile of {SAMPLES} reads (aim: at most {MAX_RATIO} times)")
    for what, read, beside in (
        ("GET /leads?limit=50", leads_page, nothing),
        ("GET /lead/{id}/aliases", aliases_page, nothing),
        ("GET /healthz, beside aliases", health, listing_aliases),
    ):
        measured: list[list[float]] = [[], []]
        for start in range(0, SAMPLES, READS_PER_TURN):
            chance = random.Random(start)
            for client, seconds in zip(clients, measured, strict=True):
                with beside(client):
                    read(client, chance)
                    seconds.extend(seconds_of(read, client, chance) for _ in range(READS_PER_TURN))
        few, many = map(p95, measured)
        print(
            f"  {what:30} {FEW_ALIASES} aliases: {1000 * few:6.1f} ms   "
            f"{MANY_ALIASES:,} aliases: {1000 * many:6.1f} ms   ratio {many / few:5.2f}"
        )


def main() -> None:
    with empty_database() as url:
        asyncio.run(make(url))
        with server("leadvibe", "api", url=url) as port:
            compare(port)


if __name__ == "__main__":
    main()
