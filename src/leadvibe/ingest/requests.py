"""Remembers batches and imports that have an `Idempotency-Key`, so that each is answered once."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import asyncpg

from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.http.problems import Problem

# The first rows of an import claim the key, and its last rows add the answer. The UPDATE locks a claimed row, so that
# two transactions with one key take turns.
CLAIM: Final = """
INSERT INTO ingest_requests (unit_id, key, digest) VALUES ($1, $2, $3)
ON CONFLICT (unit_id, key) DO UPDATE SET digest = ingest_requests.digest
RETURNING digest, status, answer
"""
READ: Final = "SELECT digest, status, answer FROM ingest_requests WHERE unit_id = $1 AND key = $2"
SAVE: Final = "UPDATE ingest_requests SET status = $3, answer = $4 WHERE unit_id = $1 AND key = $2"


class Answer(NamedTuple):
    """The response to a request."""

    status: int
    body: bytes


class KeyReused(Problem):
    """An idempotency key was sent again with another body."""

    status = 422
    detail = "Idempotency-Key: was already used with another body."


class AlreadyAnswered(Exception):
    """The same request was answered in the meantime."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__()


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """A batch or an import with an `Idempotency-Key`. `digest` identifies its body."""

    unit_id: str
    key: str
    digest: bytes

    async def find_answer(self) -> Answer | None:
        """The stored answer, if this request was answered before. Raises KeyReused if the body was another."""
        async with transaction(None) as session:
            row = await (await raw(session)).fetchrow(READ, self.unit_id, self.key)
        return None if row is None else self._answer(row)

    async def claim(self, connection: asyncpg.Connection) -> None:
        """Claim the key until the transaction ends. Raises KeyReused or AlreadyAnswered."""
        row = await connection.fetchrow(CLAIM, self.unit_id, self.key, self.digest)
        if row is not None and (answer := self._answer(row)) is not None:
            raise AlreadyAnswered(answer)

    async def save(self, connection: asyncpg.Connection, answer: Answer) -> None:
        """Store the answer in the transaction that stores the last rows."""
        await connection.execute(SAVE, self.unit_id, self.key, *answer)

    def _answer(self, row: asyncpg.Record) -> Answer | None:
        digest, status, body = row
        if digest != self.digest:
            raise KeyReused(
                f"Idempotency-Key: {self.key!r} was already used with another body. "
                "Send the same body again, or choose another key.",
                fields={"Idempotency-Key": "was already used with another body"},
            )
        return None if status is None else Answer(status, body)
