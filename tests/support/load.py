"""Sends events to a running server, and repeats each until it is acknowledged."""

import asyncio
from collections.abc import Sequence
from functools import partial

import httpx

from support.loans import COLUMNS, Row
from support.waiting import eventually

SENDERS = 6
BATCH = 40


class Load:
    """Sends batches with idempotency keys. Each is sent again until the server acknowledges it."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._starts = iter(range(0, len(rows), BATCH))
        self.attempts = 0
        """How many requests were answered or have failed."""
        self.acknowledged: set[str] = set()
        """The idempotency keys of the acknowledged events."""

    @property
    def share(self) -> float:
        """The acknowledged share of the events, from 0 to 1."""
        return len(self.acknowledged) / len(self._rows)

    async def send(self, client: httpx.AsyncClient) -> None:
        await asyncio.gather(*(self._send_some(client) for _ in range(SENDERS)))

    async def _send_some(self, client: httpx.AsyncClient) -> None:
        for start in self._starts:
            await eventually(partial(self._is_delivered, client, start))

    async def _is_delivered(self, client: httpx.AsyncClient, start: int) -> bool:
        batch = self._rows[start : start + BATCH]
        body = [dict(zip(COLUMNS[:3], row[:3], strict=True)) for row in batch]
        key = f"batch-{start}"
        try:
            response = await client.post("/ingest/batch", json=body, headers={"Idempotency-Key": key})
        except httpx.TransportError:
            return False
        finally:
            self.attempts += 1
        if response.status_code != 202:
            assert response.status_code >= 500, response.text
            return False
        assert response.json()["accepted"] == len(batch), response.text
        self.acknowledged.update(f"{key}/{index}" for index in range(len(batch)))
        return True
