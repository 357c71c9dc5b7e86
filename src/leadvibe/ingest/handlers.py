"""Handles requests that ingest events. A request is acknowledged once its events are committed to the inbox."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

import msgspec
from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from leadvibe.access.dependencies import scope_of_headers
from leadvibe.core.http.multipart import stream_file
from leadvibe.core.http.problems import MEDIA_TYPE, Forbidden, Invalid, Problem, TooLarge, problem_body
from leadvibe.core.http.request_body import (
    EVENT_LIST_TYPES,
    JSON_TYPES,
    RawHeaders,
    check_type,
    read_body,
)
from leadvibe.core.ids import show
from leadvibe.core.scope import Role
from leadvibe.core.scope import Scope as Caller
from leadvibe.ingest.buffer import InboxRow, ingest_buffer, row_of
from leadvibe.ingest.csv_import import import_csv
from leadvibe.ingest.schemas import BatchResult, EventWarning, IngestResult, RejectedBatch, RejectedEvent
from leadvibe.ingest.validation import read_event, read_key

MAX_EVENT_BYTES: Final = 1024 * 1024
"""Of the whole body. Metadata has its own limit."""
MAX_BATCH_BYTES: Final = 10 * 1024 * 1024
MAX_BATCH_EVENTS: Final = 10_000
EVENTS_PER_YIELD: Final = 250
"""After this many events of a batch, other requests get a turn on the event loop."""

BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}

_batch = msgspec.json.Decoder(list[msgspec.Raw])
_json = msgspec.json.Encoder()


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
    row = row_of(caller.unit_id, event)
    await ingest_buffer().put([row])
    metadata = msgspec.Raw(event.metadata)
    await _send_accepted(send, IngestResult("event ingested", metadata, show("ev", row.event_id), warnings))


async def ingest_batch(scope: Scope, receive: Receive, send: Send) -> None:
    """`POST /ingest/batch`: accept the valid events of a batch, and report the others."""
    caller = await authorize_operator(scope)
    headers = dict(scope["headers"])
    check_type(headers, EVENT_LIST_TYPES)
    key = idempotency_key(headers)
    body = await read_body(headers, receive, MAX_BATCH_BYTES)
    rows: list[InboxRow] = []
    errors: list[RejectedEvent] = []
    warnings: list[EventWarning] = []
    async for index, sent in _enumerate(_split(body)):
        try:
            event_key = None if key is None else f"{key}/{index}"
            event, event_warnings = read_event(sent, default_key=event_key, phone_region=caller.phone_region)
        except Problem as problem:
            errors.append(RejectedEvent(index, problem.detail))
        else:
            rows.append(row_of(caller.unit_id, event))
            warnings += (EventWarning(index, warning) for warning in event_warnings)
    if rows:
        await ingest_buffer().put(rows)
        await _send_accepted(send, BatchResult(len(rows), len(errors), errors, warnings))
    else:
        problem = problem_body(400, "body: must contain at least one valid event")
        rejected = RejectedBatch(**problem, accepted=0, rejected=len(errors), errors=errors)
        await Response(_json.encode(rejected), 400, media_type=MEDIA_TYPE)(scope, receive, send)


async def import_events(scope: Scope, receive: Receive, send: Send) -> None:
    """`POST /import`: accept the valid rows of a CSV file while it arrives, and report the others."""
    caller = await authorize_operator(scope)
    headers = dict(scope["headers"])
    skip_triggers = BOOLEANS.get(QueryParams(scope["query_string"]).get("skip_triggers", "false").lower())
    if skip_triggers is None:
        raise Invalid.field("skip_triggers", "must be true or false")
    chunks = stream_file(headers, receive, "file")
    result = await import_csv(
        chunks,
        caller.unit_id,
        key=idempotency_key(headers),
        skip_triggers=skip_triggers,
        phone_region=caller.phone_region,
    )
    await _send_accepted(send, result)


async def authorize_operator(scope: Scope) -> Caller:
    """Authenticate the request. Raises Forbidden if the caller is less than an Operator in the OU."""
    caller = await scope_of_headers(scope["headers"])
    if not caller.role.covers(Role.OPERATOR):
        raise Forbidden(f"This operation requires the role {Role.OPERATOR} in the OU. Your role is {caller.role}.")
    return caller


def idempotency_key(headers: RawHeaders) -> str | None:
    value = headers.get(b"idempotency-key")
    return None if value is None else read_key("Idempotency-Key", value.decode("latin-1"))


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
    body = _json.encode(result)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": body})
