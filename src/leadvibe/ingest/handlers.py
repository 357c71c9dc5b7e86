"""Handles requests that ingest events. A request is acknowledged once its events are committed to the inbox."""

import asyncio
import re
from collections.abc import AsyncGenerator, Coroutine, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, TypeVar

import msgspec
from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from leadvibe.access.dependencies import cached_scope, scope_of_headers
from leadvibe.access.expensive import expensive_operations
from leadvibe.config import settings
from leadvibe.core.abandoning import within
from leadvibe.core.database.transactions import Pool, connections_of
from leadvibe.core.http.multipart import stream_file
from leadvibe.core.http.problems import MEDIA_TYPE, Forbidden, Invalid, Problem, TooLarge, problem_body
from leadvibe.core.http.request_body import (
    EVENT_LIST_TYPES,
    JSON_TYPES,
    RawHeaders,
    check_type,
    read_body,
)
from leadvibe.core.http.request_time import running_request
from leadvibe.core.ids import show
from leadvibe.core.scope import Role
from leadvibe.core.scope import Scope as Caller
from leadvibe.ingest.buffer import append, ingest_buffer
from leadvibe.ingest.csv_import import import_csv, nothing_imported
from leadvibe.ingest.import_keys import ImportKeys
from leadvibe.ingest.import_options import ImportOptions, read_options
from leadvibe.ingest.inbox import InboxRow, row_of
from leadvibe.ingest.repeats import Stored
from leadvibe.ingest.requests import AlreadyAnswered, Answer, IngestRequest
from leadvibe.ingest.schemas import (
    MAX_REPORTED_WARNINGS,
    BatchResult,
    EventWarning,
    ImportResult,
    IngestResult,
    RejectedBatch,
    RejectedEvent,
    RejectedImport,
)
from leadvibe.ingest.spool import Spooled, spooled
from leadvibe.ingest.validation import read_event, read_key

T = TypeVar("T")

MAX_EVENT_BYTES: Final = 1024 * 1024
"""Of the whole body. Metadata has its own limit."""
MAX_BATCH_BYTES: Final = 10 * 1024 * 1024
MAX_BATCH_EVENTS: Final = 10_000
EVENTS_PER_YIELD: Final = 250
"""After this many events of a batch, other requests get a turn on the event loop."""

ACCEPTED: Final = 202
QUOTED: Final = re.compile(r'"(.*)"', re.DOTALL)
ESCAPED: Final = re.compile(r'\\(["\\])')

BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}

_batch = msgspec.json.Decoder(list[msgspec.Raw])
_json = msgspec.json.Encoder()


def with_own_connections(app: ASGIApp) -> ASGIApp:
    """The handler with the connections that only ingest may use. Then other operations can't make it wait."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        with connections_of(Pool.INGEST):
            await app(scope, receive, send)

    return handle


async def ingest_event(scope: Scope, receive: Receive, send: Send) -> None:
    """`POST /ingest`: accept one event."""
    caller = await authorize_operator(scope)
    headers = dict(scope["headers"])
    check_type(headers, JSON_TYPES)
    key = idempotency_key(headers)
    body = await read_body(headers, receive, MAX_EVENT_BYTES)
    event, warnings = read_event(body, default_key=key, phone_region=caller.phone_region)
    if key is not None and event.idempotency_key != key:
        raise Invalid.field("idempotency_key", "differs from the Idempotency-Key header")
    [stored] = await ingest_buffer().put([row_of(caller.unit_id, event)])
    event_id, metadata = show("ev", stored.event_id), msgspec.Raw(event.metadata)
    await _send_accepted(send, IngestResult("event ingested", metadata, event_id, warnings, stored.repeated))


@dataclass(slots=True)
class _Batch:
    """The rows of a batch, and what the response reports about the other events."""

    rows: list[InboxRow] = field(default_factory=list[InboxRow])
    errors: list[RejectedEvent] = field(default_factory=list[RejectedEvent])
    warnings: list[EventWarning] = field(default_factory=list[EventWarning])
    """The first warnings."""
    warning_count: int = 0

    def warn(self, index: int, warnings: Sequence[str]) -> None:
        self.warning_count += len(warnings)
        space = MAX_REPORTED_WARNINGS - len(self.warnings)
        self.warnings += (EventWarning(index, warning) for warning in warnings[:space])

    def answer(self, stored: Sequence[Stored]) -> Answer:
        repeated = sum(event.repeated for event in stored)
        result = BatchResult(
            accepted=len(self.rows),
            rejected=len(self.errors),
            errors=self.errors,
            warnings=self.warnings,
            warning_count=self.warning_count,
            repeated=repeated,
        )
        return Answer(ACCEPTED, _json.encode(result))


async def ingest_batch(scope: Scope, receive: Receive, send: Send) -> None:
    """`POST /ingest/batch`: accept the valid events of a batch, and report the others."""
    caller = await authorize_operator(scope)
    headers = dict(scope["headers"])
    check_type(headers, EVENT_LIST_TYPES)
    key = idempotency_key(headers)
    body = await read_body(headers, receive, MAX_BATCH_BYTES)
    request = None if key is None else IngestRequest(caller.unit_id, key, sha256(body).digest())
    answer = None if request is None else await _in_time(request.find_answer())
    if answer is None:
        batch = await _read_batch(caller, body, key)
        if not batch.rows:
            problem = problem_body(400, "body: must contain at least one valid event")
            rejected = RejectedBatch(**problem, accepted=0, rejected=len(batch.errors), errors=batch.errors)
            await Response(_json.encode(rejected), 400, media_type=MEDIA_TYPE)(scope, receive, send)
            return
        answer = await _store_batch(batch, request)
    await _send_answer(send, answer)


async def _read_batch(caller: Caller, body: bytes, key: str | None) -> _Batch:
    batch = _Batch()
    async for index, sent in _enumerate(_split(body)):
        try:
            position_key = None if key is None else f"{key}/{index}"
            event, warnings = read_event(sent, position_key=position_key, phone_region=caller.phone_region)
        except Problem as problem:
            batch.errors.append(RejectedEvent(index, problem.detail))
        else:
            batch.rows.append(row_of(caller.unit_id, event))
            batch.warn(index, warnings)
    return batch


async def _store_batch(batch: _Batch, request: IngestRequest | None) -> Answer:
    if request is None:
        return batch.answer(await ingest_buffer().put(batch.rows))
    try:
        # In a transaction of its own, which also stores the answer.
        return batch.answer(await append(batch.rows, request, batch.answer))
    except AlreadyAnswered as earlier:
        return earlier.answer


async def import_events(scope: Scope, receive: Receive, send: Send) -> None:
    """`POST /import`: accept the valid rows of a CSV file, and report the others."""
    caller = await authorize_operator(scope)
    headers = dict(scope["headers"])
    options = _import_options(QueryParams(scope["query_string"]))
    key = idempotency_key(headers)
    expensive_operations.check(caller.unit_id)  # not counted while the file arrives: a slow upload costs little
    async with spooled(stream_file(headers, receive, "file"), settings().max_import_bytes) as upload:
        with expensive_operations.running(caller.unit_id):
            running_request(scope).remove_deadline()  # millions of rows take longer than a request may
            result = await _import_upload(caller, upload, options, key)
    if isinstance(result, Answer):
        await _send_answer(send, result)
    elif result.imported:
        await _send_accepted(send, result)
    else:
        await _response_without_rows(result)(scope, receive, send)


async def _import_upload(
    caller: Caller, upload: Spooled, options: ImportOptions, key: str | None
) -> ImportResult | Answer:
    """The result, or the answer to an earlier request with this key."""
    digest = sha256(upload.digest + options.digest).digest()
    request = None if key is None else IngestRequest(caller.unit_id, key, digest)
    answer = None if request is None else await _in_time(request.find_answer())
    if answer is not None:
        return answer
    keys = ImportKeys(upload.digest) if key is None else key
    try:
        return await import_csv(
            upload.chunks(), caller.unit_id, options, keys, phone_region=caller.phone_region, request=request
        )
    except AlreadyAnswered as earlier:
        return earlier.answer


def _import_options(query: QueryParams) -> ImportOptions:
    skip_triggers = BOOLEANS.get(query.get("skip_triggers", "false").lower())
    if skip_triggers is None:
        raise Invalid.field("skip_triggers", "must be true or false")
    return read_options(
        columns=query.getlist("map"),
        constants=query.getlist("set"),
        metadata=query.get("metadata"),
        timezone=query.get("timezone"),
        delimiter=query.get("delimiter"),
        skip_triggers=skip_triggers,
    )


def _response_without_rows(result: ImportResult) -> Response:
    rejected = RejectedImport(
        **problem_body(400, nothing_imported(result)),
        imported=0,
        errors=result.errors,
        error_rows=result.error_rows,
        ignored_columns=result.ignored_columns,
        warnings=result.warnings,
    )
    return Response(_json.encode(rejected), 400, media_type=MEDIA_TYPE)


async def authorize_operator(scope: Scope) -> Caller:
    """Authenticate the request. Raises Forbidden if the caller is less than an Operator in the OU."""
    caller = cached_scope(scope["headers"]) or await _in_time(scope_of_headers(scope["headers"]))
    if not caller.role.covers(Role.OPERATOR):
        raise Forbidden(f"This operation requires the role {Role.OPERATOR} in the OU. Your role is {caller.role}.")
    return caller


async def _in_time(question: Coroutine[Any, Any, T]) -> T:
    """Ask the database; a client waits for that no longer than for storing events."""
    return await within(settings().ingest_flush_timeout.total_seconds(), question)


def idempotency_key(headers: RawHeaders) -> str | None:
    """The key in the header. It may be in quotes, as structured header fields are."""
    value = headers.get(b"idempotency-key")
    if value is None:
        return None
    try:
        key = value.decode().strip()
    except UnicodeDecodeError:
        raise Invalid.field("Idempotency-Key", "must be UTF-8") from None
    if quoted := QUOTED.fullmatch(key):
        key = ESCAPED.sub(r"\1", quoted[1])
    return read_key("Idempotency-Key", key)


def _split(body: bytes) -> list[msgspec.Raw] | list[bytes]:
    """The events of a JSON array or of JSON lines."""
    if body.lstrip()[:1] == b"[":
        try:
            events = _batch.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Invalid.field("body", f"must be a JSON array: {error}") from None
    else:
        events = [line for line in body.splitlines() if line.strip()]
        if len(events) > 1 and _is_one_object(body):
            raise Invalid.field("body", "must be a JSON array, or have one JSON object on each line")
    if len(events) > MAX_BATCH_EVENTS:
        raise TooLarge(
            f"body: must contain at most {MAX_BATCH_EVENTS:,} events", fields={"body": "contains too many events"}
        )
    return events


def _is_one_object(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


async def _enumerate(events: list[msgspec.Raw] | list[bytes]) -> AsyncGenerator[tuple[int, msgspec.Raw | bytes]]:
    for index, event in enumerate(events):
        if index % EVENTS_PER_YIELD == EVENTS_PER_YIELD - 1:
            await asyncio.sleep(0)
        yield index, event


async def _send_accepted(send: Send, result: msgspec.Struct) -> None:
    await _send_answer(send, Answer(ACCEPTED, _json.encode(result)))


async def _send_answer(send: Send, answer: Answer) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
