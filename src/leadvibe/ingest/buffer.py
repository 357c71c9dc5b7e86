"""The way into the inbox: requests that arrive while a flush is running share the next one's commit."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from leadvibe.config import settings
from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.http.problems import Problem, Unavailable
from leadvibe.core.ids import new_uuid
from leadvibe.core.metrics import EVENTS_INGESTED
from leadvibe.ingest.inbox import INBOX_CHANNEL, AcceptedEvent, encode, route_of

COLUMNS: Final = ("route", "event_id", "unit_id", "body")
QUIET_SECONDS: Final = 0.2
"""How seldom one process notifies: a worker goes on looking for longer than this after its last event."""
FLUSH_EVENTS: Final = 5_000
FLUSHES_AT_ONCE: Final = 2
LARGEST_BUFFER: Final = 64 * 1024 * 1024
"""Bytes that may wait, however few events they are."""

_ABOUT_ROWS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, TypeError, ValueError, OverflowError)
"""What goes wrong because of a row, not because the database is away."""

Row = tuple[int, UUID, str, bytes]

log = structlog.get_logger()


def row_of(unit_id: str, event: AcceptedEvent) -> Row:
    return route_of(unit_id, event), new_uuid(), unit_id, encode(event)


class NotifyThrottle:
    """Wakes idle workers. It rings at most every `QUIET_SECONDS`: NOTIFY takes a lock of the whole server at commit."""

    def __init__(self) -> None:
        self._rung = -QUIET_SECONDS

    def is_due(self) -> bool:
        now = monotonic()
        if now - self._rung < QUIET_SECONDS:
            return False
        self._rung = now
        return True


_bell = NotifyThrottle()


async def append(rows: Sequence[Row]) -> None:
    """Write rows into the inbox; they are there for good when this returns."""
    async with transaction(None) as session:
        connection = await raw(session)
        await connection.copy_records_to_table("inbox", records=rows, columns=COLUMNS)
        if _bell.is_due():
            await connection.execute(f"NOTIFY {INBOX_CHANNEL}")
    EVENTS_INGESTED.inc(len(rows))


@dataclass(slots=True, eq=False)
class _Request:
    """The rows of one request, which waits until they are committed."""

    rows: Sequence[Row]
    size: int
    committed: asyncio.Future[None]

    def tell(self, problem: Problem | None = None) -> None:
        if self.committed.done():  # whoever asked has gone away
            return
        if problem is None:
            self.committed.set_result(None)
        else:
            self.committed.set_exception(problem)


class IngestBuffer:
    """One per process. It has no timer: a lone request is flushed at once, a thousand share one commit.

    A second flush begins beside the first as soon as it would carry as much: while one waits for the disk, the other is
    on its way there.
    """

    def __init__(self, most_events: int) -> None:
        self._most_events = most_events
        self._waiting: deque[_Request] = deque()
        self._events = 0
        self._bytes = 0
        self._flushes: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._is_asked = False

    async def put(self, rows: Sequence[Row]) -> None:
        """Return when the rows are committed; Unavailable, at once, where there is no room for them to wait."""
        size = sum(len(body) for _, _, _, body in rows)
        full = self._events + len(rows) > self._most_events or self._bytes + size > LARGEST_BUFFER
        if full and self._waiting:
            raise Unavailable("Too many events are waiting to be stored; try again in a moment.")
        loop = asyncio.get_running_loop()
        request = _Request(rows, size, loop.create_future())
        self._waiting.append(request)
        self._events += len(rows)
        self._bytes += size
        if not self._is_asked:
            # Soon and not now, so that requests which came in together go together.
            self._is_asked = True
            loop.call_soon(self._begin)
        await request.committed

    async def close(self) -> None:
        """Return when everything that waits is flushed."""
        while self._waiting or self._flushes:
            self._begin()
            await asyncio.wait(self._flushes)

    def _begin(self) -> None:
        """Begin a flush, if it is worth a commit."""
        self._is_asked = False
        worth_it = not self._flushes or (len(self._flushes) < FLUSHES_AT_ONCE and self._events >= self._under_way)
        if self._waiting and worth_it:
            requests = self._take()
            flush = asyncio.create_task(_flush(requests))
            self._flushes.add(flush)
            flush.add_done_callback(lambda _: self._end(flush, requests))

    def _end(self, flush: asyncio.Task[None], requests: Sequence[_Request]) -> None:
        self._flushes.remove(flush)
        self._under_way -= sum(len(request.rows) for request in requests)
        self._begin()

    def _take(self) -> list[_Request]:
        """The requests of the next flush, oldest first."""
        taken: list[_Request] = []
        events = 0
        while self._waiting and events < FLUSH_EVENTS:
            request = self._waiting.popleft()
            events += len(request.rows)
            self._bytes -= request.size
            taken.append(request)
        self._events -= events
        self._under_way += events
        return taken


async def _flush(requests: Sequence[_Request]) -> None:
    """Commit these requests together, or tell each what became of it."""
    try:
        await append([row for request in requests for row in request.rows])
    except _ABOUT_ROWS as error:
        await _bisect(requests, error)
    except Exception as error:  # noqa: BLE001 - whatever it was, nobody may be told that the rows are stored
        log.warning("inbox not reachable", requests=len(requests), error=repr(error))
        for request in requests:
            request.tell(Unavailable("The database can't be reached; try again in a moment."))
    except BaseException:
        for request in requests:
            request.tell(Unavailable("The server is stopping."))
        raise
    else:
        for request in requests:
            request.tell()


async def _bisect(requests: Sequence[_Request], error: Exception) -> None:
    """One request's rows made the flush fail: find it, so that the others don't fail with it."""
    if len(requests) == 1:
        log.error("event refused by the database", event_id=str(requests[0].rows[0][1]), exc_info=error)
        requests[0].tell(Problem("The event could not be stored."))
        return
    middle = len(requests) // 2
    await _flush(requests[:middle])
    await _flush(requests[middle:])


class _Current:
    buffer: IngestBuffer | None = None


def ingest_buffer() -> IngestBuffer:
    """This process's buffer."""
    if _Current.buffer is None:
        _Current.buffer = IngestBuffer(settings().ingest_buffer_events)
    return _Current.buffer


async def close_buffer() -> None:
    """Flush what waits; before the database is closed."""
    buffer, _Current.buffer = _Current.buffer, None
    if buffer is not None:
        await buffer.close()
