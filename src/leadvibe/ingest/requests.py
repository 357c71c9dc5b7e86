"""Remembers batches and imports that have an `Idempotency-Key`, so that each is answered once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import asyncpg
import msgspec

from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.http.problems import Problem
from leadvibe.core.scope import Scope

# The first rows of an import claim the key, and its last rows add the answer. The UPDATE locks a claimed row, so that
# two transactions with one key take turns.
CLAIM: Final = """
INSERT INTO ingest_requests (unit_id, key, digest) VALUES ($1, $2, $3)
ON CONFLICT (unit_id, key) DO UPDATE SET digest = ingest_requests.digest
RETURNING digest, status, answer
"""
READ: Final = "SELECT digest, status, answer FROM ingest_requests WHERE unit_id = $1 AND key = $2"
READ_ANSWERED: Final = """
SELECT key, answer FROM ingest_requests
WHERE unit_id = $1 AND key > $2 AND answer IS NOT NULL AND created_at <= $3
ORDER BY key LIMIT $4
"""
REDACT: Final = "UPDATE ingest_requests SET answer = $3 WHERE unit_id = $1 AND key = $2 AND answer IS NOT NULL"
FORGET: Final = """
UPDATE ingest_requests SET status = NULL, answer = NULL
WHERE answer IS NOT NULL AND created_at < statement_timestamp() - $1::interval
"""
ANSWERS_PER_PAGE: Final = 100
SAVE: Final = "UPDATE ingest_requests SET status = $3, answer = $4 WHERE unit_id = $1 AND key = $2"


class Answer(NamedTuple):
    """The response to a request."""

    status: int
    body: bytes


class KeyReused(Problem):
    """An idempotency key was sent again with another body."""

    status = 422
    detail = "Idempotency-Key: was already used with another body or other options."


class AlreadyAnswered(Exception):
    """The same request was answered in the meantime."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__()


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """A batch or an import with an `Idempotency-Key`. `digest` identifies its body and its options."""

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
                f"Idempotency-Key: {self.key!r} was already used with another body or other options. "
                "Send the same request again, or choose another key.",
                fields={"Idempotency-Key": "was already used with another body or other options"},
            )
        return None if status is None else Answer(status, body)


async def forget_answers(lifetime: timedelta) -> None:
    """Delete answers that are older than this. The digests stay, so a key is never used for another request."""
    async with transaction(None) as session:
        await (await raw(session)).execute(FORGET, lifetime)


async def redact_answers(scope: Scope, until: datetime) -> None:
    """Remove the texts about single events from the answers up to this instant: they may quote a deleted lead."""
    after = ""
    while True:
        async with transaction(scope) as session:
            connection = await raw(session)
            rows = await connection.fetch(READ_ANSWERED, scope.unit_id, after, until, ANSWERS_PER_PAGE)
            for key, answer in rows:
                if (redacted := _without_texts(answer)) != answer:
                    await connection.execute(REDACT, scope.unit_id, key, redacted)
        if len(rows) < ANSWERS_PER_PAGE:
            return
        after = rows[-1]["key"]


def _without_texts(answer: bytes) -> bytes:
    """The answer with its counts and with empty lists."""
    fields: dict[str, Any] = msgspec.json.decode(answer)
    return msgspec.json.encode({name: [] if isinstance(value, list) else value for name, value in fields.items()})
