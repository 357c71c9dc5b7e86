"""`POST /ingest` and `POST /ingest/batch`: events become acknowledged once they are committed to the inbox."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final

import msgspec
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from leadvibe.access.dependencies import scope_of_headers
from leadvibe.core.http.problems import MEDIA_TYPE, Forbidden, Invalid, Problem, TooLarge, problem_body
from leadvibe.core.http.request_body import EVENT_LIST_TYPES, JSON_TYPES, RawHeaders, check_type, read_body
from leadvibe.core.ids import show
from leadvibe.core.scope import Role
from leadvibe.core.scope import Scope as Caller
from leadvibe.ingest.buffer import Row, ingest_buffer, row_of
from leadvibe.ingest.validation import line_of_text, read_event

LARGEST_EVENT: Final = 1024 * 1024
"""Bytes of a body; the metadata in it has a limit of its own."""
LARGEST_BATCH: Final = 10 * 1024 * 1024
MOST_EVENTS: Final = 10_000
EVENTS_BETWEEN_PAUSES: Final = 250
"""After so many events of a batch, other requests have their turn."""

_batch = msgspec.json.Decoder(list[msgspec.Raw])


async def ingest_event(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept one event."""
    caller = await event_sender(scope)
    headers = dict(scope["headers"])
    check_type(headers, JSON_TYPES)
    key = idempotency_key(headers)
    event = read_event(await read_body(headers, receive, LARGEST_EVENT), default_key=key)
    if key is not None and event.idempotency_key != key:
        raise Invalid.field("idempotency_key", "differs from the Idempotency-Key header")
    row = row_of(caller.unit_id, event)
    await ingest_buffer().put([row])
    event_id = show("ev", row[1]).encode()
    answer = b'{"message":"event ingested","metadata":%b,"event_id":"%b"}' % (event.metadata, event_id)
    await send_accepted(send, answer)


async def ingest_batch(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept the good ones of many events, and name the bad ones."""
    caller = await event_sender(scope)
    headers = dict(scope["headers"])
    check_type(headers, EVENT_LIST_TYPES)
    key = idempotency_key(headers)
    body = await read_body(headers, receive, LARGEST_BATCH)
    rows: list[Row] = []
    errors: list[dict[str, Any]] = []
    async for index, sent in _numbered(_split(body)):
        try:
            event = read_event(sent, default_key=None if key is None else f"{key}/{index}")
        except Problem as problem:
            errors.append({"index": index, "error": problem.detail})
        else:
            rows.append(row_of(caller.unit_id, event))
    counts = {"accepted": len(rows), "rejected": len(errors), "errors": errors}
    if not rows:
        refused = JSONResponse(problem_body(400, "body: holds no valid event") | counts, 400, media_type=MEDIA_TYPE)
        await refused(scope, receive, send)
        return
    await ingest_buffer().put(rows)
    await send_accepted(send, msgspec.json.encode(counts))


async def event_sender(scope: Scope) -> Caller:
    """Who sends events, and into which OU."""
    caller = await scope_of_headers(scope["headers"])
    if not caller.role.covers(Role.OPERATOR):
        raise Forbidden(f"This needs the role {Role.OPERATOR} in the OU; yours is {caller.role}.")
    return caller


def idempotency_key(headers: RawHeaders) -> str | None:
    sent = headers.get(b"idempotency-key")
    return None if sent is None else line_of_text("Idempotency-Key", sent.decode("latin-1"))


def _split(body: bytes) -> list[msgspec.Raw] | list[bytes]:
    """The events of a JSON array, or of lines with one JSON object each."""
    if body.lstrip()[:1] == b"[":
        try:
            events = _batch.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Invalid.field("body", f"must be a JSON array: {error}") from None
    else:
        events = [line for line in body.splitlines() if line.strip()]
        if len(events) > 1 and _is_one_object(body):
            raise Invalid.field(
                "body", "is one JSON object on several lines; an array is expected, or one object a line"
            )
    if len(events) > MOST_EVENTS:
        raise TooLarge(f"body: must be at most {MOST_EVENTS:,} events", fields={"body": "holds too many events"})
    return events


def _is_one_object(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


async def _numbered(events: list[msgspec.Raw] | list[bytes]) -> AsyncGenerator[tuple[int, msgspec.Raw | bytes]]:
    for index, event in enumerate(events):
        if index % EVENTS_BETWEEN_PAUSES == EVENTS_BETWEEN_PAUSES - 1:
            await asyncio.sleep(0)
        yield index, event


async def send_accepted(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": body})
