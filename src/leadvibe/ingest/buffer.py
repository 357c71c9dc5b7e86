"""Writes accepted events to the inbox; requests that arrive during a flush share the commit of the next one."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

import asyncpg
import structlog

from leadvibe.config import settings
from leadvibe.core.abandoning import within
from leadvibe.core.database.transactions import Pool, connections_of, raw, transaction
from leadvibe.core.http.problems import Problem, Unavailable
from leadvibe.core.metrics import EVENTS_INGESTED, LAST_FLUSH
from leadvibe.core.transient import is_disk_full
from leadvibe.ingest.inbox import INBOX_CHANNEL, INBOX_COLUMNS, InboxRow
from leadvibe.ingest.repeats import Stored, claim_rows
from leadvibe.ingest.requests import Answer, IngestRequest

NOTIFY_INTERVAL_SECONDS: Final = 0.2
"""The shortest time between two notifications of one process. A worker polls for longer than this after an event."""
MAX_FLUSH_EVENTS: Final = 5_000
MAX_CONCURRENT_FLUSHES: Final = 2
MAX_BUFFER_BYTES: Final = 64 * 1024 * 1024
MAX_DEADLOCKS: Final = 3
"""How often a flush is repeated after a deadlock."""
DISK_FULL_SECONDS: Final = 15.0
UNAVAILABLE: Final = "The database is unavailable. Try again in a moment."
COLUMNS: Final = len(INBOX_COLUMNS)

_ROW_ERRORS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, TypeError, ValueError, OverflowError)
"""Errors caused by the content of a row, not by the database or the connection."""

log = structlog.get_logger()


class NotifyThrottle:
    """Limits how often idle workers are notified, because NOTIFY takes a server-wide lock at commit."""

    def __init__(self) -> None:
        self._notified_at = -NOTIFY_INTERVAL_SECONDS

    def is_due(self) -> bool:
        now = monotonic()
        if now - self._notified_at < NOTIFY_INTERVAL_SECONDS:
            return False
        self._notified_at = now
        return True


_notify_throttle = NotifyThrottle()


async def append(
    rows: Sequence[InboxRow],
    request: IngestRequest | None = None,
    answer: Callable[[Sequence[Stored]], Answer] | None = None,
) -> list[Stored]:
    """Write rows to the inbox, except repeats. Returns the event that counts for each row. They are committed then.

    With a `request`, the transaction also claims the request's key. `answer` makes the answer that it stores with the
    last rows. Raises KeyReused if the key was used with another body, and AlreadyAnswered if the request was answered.
    """
    for _ in range(MAX_DEADLOCKS):
        try:
            return await _append_in_time(rows, request, answer)
        except asyncpg.TransactionRollbackError as error:
            log.warning("flush is repeated", events=len(rows), error=repr(error))
    return await _append_in_time(rows, request, answer)


async def _append_in_time(
    rows: Sequence[InboxRow],
    request: IngestRequest | None,
    answer: Callable[[Sequence[Stored]], Answer] | None,
) -> list[Stored]:
    """Append the rows, or raise TimeoutError. The database may commit them later after all."""
    used: list[asyncpg.Connection] = []

    def terminate() -> bool:
        for connection in used:
            connection.terminate()
        return bool(used)

    try:
        stored = await within(
            settings().ingest_flush_timeout.total_seconds(), _append(rows, request, answer, used), terminate
        )
    except Exception as error:
        if is_disk_full(error):
            _Current.disk_full_at = monotonic()
        raise
    _Current.disk_full_at = None
    LAST_FLUSH.set_to_current_time()
    return stored


async def _append(
    rows: Sequence[InboxRow],
    request: IngestRequest | None,
    answer: Callable[[Sequence[Stored]], Answer] | None,
    used: list[asyncpg.Connection],
) -> list[Stored]:
    async with transaction(None) as session:
        connection = await raw(session)
        used.append(connection)
        if request is not None:
            await request.claim(connection)
        stored = await claim_rows(connection, rows)
        new = [row[:COLUMNS] for row, event in zip(rows, stored, strict=True) if not event.repeated]
        if new:
            await connection.copy_records_to_table("inbox", records=new, columns=INBOX_COLUMNS)
        if request is not None and answer is not None:
            await request.save(connection, answer(stored))
        if new and _notify_throttle.is_due():
            await connection.execute(f"NOTIFY {INBOX_CHANNEL}")
    EVENTS_INGESTED.inc(len(new))
    return stored


@dataclass(slots=True, eq=False)
class _Request:
    """The rows of one request, which waits until they are committed."""

    rows: Sequence[InboxRow]
    size_bytes: int
    stored: asyncio.Future[Sequence[Stored]]

    def resolve(self, result: Sequence[Stored] | Problem) -> None:
        if self.stored.done():  # the client disconnected
            return
        if isinstance(result, Problem):
            self.stored.set_exception(result)
        else:
            self.stored.set_result(result)


class IngestBuffer:
    """Groups the rows of concurrent requests into shared commits. Each API process has one buffer.

    There is no timer: a single request is flushed at once, and a thousand share one commit. A second flush starts
    beside the first when it has at least as many events, so that one is prepared while the other waits for the disk.
    """

    def __init__(self, max_events: int) -> None:
        self._max_events = max_events
        self._waiting: deque[_Request] = deque()
        self._waiting_events = 0
        self._waiting_bytes = 0
        self._flushes: set[asyncio.Task[bool]] = set()
        self._answered_at = 0.0
        """When the database last answered a flush."""
        self._flushing_events = 0
        self._is_scheduled = False

    async def put(self, rows: Sequence[InboxRow]) -> Sequence[Stored]:
        """Return the event that counts for each row, once the rows are committed.

        Raises Unavailable at once if the buffer is full.
        """
        size = sum(len(row.body) for row in rows)
        too_many = self._waiting_events + len(rows) > self._max_events
        if self._waiting and (too_many or self._waiting_bytes + size > MAX_BUFFER_BYTES):
            raise Unavailable("Too many events are waiting to be stored. Try again in a moment.")
        loop = asyncio.get_running_loop()
        request = _Request(rows, size, loop.create_future())
        self._waiting.append(request)
        self._waiting_events += len(rows)
        self._waiting_bytes += size
        if not self._is_scheduled:
            # In the next iteration of the loop, so that requests which arrive together share a flush.
            self._is_scheduled = True
            loop.call_soon(self._start_flush)
        return await request.stored

    async def close(self) -> None:
        """Return when all waiting rows are flushed."""
        while self._waiting or self._flushes:
            self._start_flush()
            await asyncio.wait(self._flushes)

    def _start_flush(self) -> None:
        """Start a flush if enough rows are waiting for one."""
        self._is_scheduled = False
        is_worth_it = not self._flushes or (
            len(self._flushes) < MAX_CONCURRENT_FLUSHES and self._waiting_events >= self._flushing_events
        )
        if self._waiting and is_worth_it:
            requests = self._next_requests()
            flush = asyncio.create_task(_flush(requests))
            self._flushes.add(flush)
            began = monotonic()
            flush.add_done_callback(lambda _: self._end_flush(flush, requests, began))

    def _end_flush(self, flush: asyncio.Task[bool], requests: Sequence[_Request], began: float) -> None:
        self._flushes.remove(flush)
        if flush.cancelled() or flush.result():
            self._answered_at = monotonic()
        elif self._answered_at < began:
            # The database stands still. Requests that came meanwhile don't wait for another flush to find that out.
            self._refuse_waiting()
        self._flushing_events -= sum(len(request.rows) for request in requests)
        self._start_flush()

    def _refuse_waiting(self) -> None:
        while self._waiting:
            self._waiting.popleft().resolve(Unavailable(UNAVAILABLE))
        self._waiting_events = self._waiting_bytes = 0

    def _next_requests(self) -> list[_Request]:
        """Remove the requests of the next flush from the queue, oldest first."""
        requests: list[_Request] = []
        events = 0
        while self._waiting and events < MAX_FLUSH_EVENTS:
            request = self._waiting.popleft()
            events += len(request.rows)
            self._waiting_bytes -= request.size_bytes
            requests.append(request)
        self._waiting_events -= events
        self._flushing_events += events
        return requests


async def _flush(requests: Sequence[_Request]) -> bool:
    """Commit the rows of these requests together, and resolve each request. Returns False if the time was too short."""
    try:
        with connections_of(Pool.INGEST):
            stored = await append([row for request in requests for row in request.rows])
    except _ROW_ERRORS as error:
        await _bisect(requests, error)
    except Exception as error:  # noqa: BLE001 - after any error, no request may be acknowledged
        log.warning("inbox unavailable", requests=len(requests), error=repr(error))
        for request in requests:
            request.resolve(Unavailable(UNAVAILABLE))
        return not isinstance(error, TimeoutError)
    except BaseException:
        for request in requests:
            request.resolve(Unavailable("The server is shutting down."))
        raise
    else:
        start = 0
        for request in requests:
            end = start + len(request.rows)
            request.resolve(stored[start:end])
            start = end
    return True


async def _bisect(requests: Sequence[_Request], error: Exception) -> None:
    """Find the request whose rows made the flush fail, so that the other requests succeed."""
    if len(requests) == 1:
        log.error("database rejected an event", event_id=str(requests[0].rows[0].event_id), exc_info=error)
        requests[0].resolve(Problem("The event could not be stored."))
        return
    middle = len(requests) // 2
    await _flush(requests[:middle])
    await _flush(requests[middle:])


class _Current:
    buffer: IngestBuffer | None = None
    disk_full_at: float | None = None


def ingest_buffer() -> IngestBuffer:
    """The buffer of this process."""
    if _Current.buffer is None:
        _Current.buffer = IngestBuffer(settings().ingest_buffer_events)
    return _Current.buffer


def found_disk_full() -> bool:
    """Whether the last flush found the database's disk full, a short time ago: events must come to find room again."""
    return _Current.disk_full_at is not None and monotonic() - _Current.disk_full_at < DISK_FULL_SECONDS


async def close_buffer() -> None:
    """Flush all waiting rows. Call it before the database is closed."""
    buffer, _Current.buffer = _Current.buffer, None
    if buffer is not None:
        await buffer.close()
