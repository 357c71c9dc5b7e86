"""The stream of an OU's events and score changes."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request

from leadvibe.access.security_schemes import ByCookie, ByCredential, ByToken
from leadvibe.core.http.problems import Invalid, NotAuthenticated, NotFound, problems
from leadvibe.core.scope import Scope
from leadvibe.stream.access import stream_scope
from leadvibe.stream.service import EventStream, frame_number, texts

router = APIRouter(tags=["Stream"])

UnitId = Annotated[
    str | None, Query(alias="ouId", description="The OU to follow. Default: the active OU (`activeOu` cookie)")
]


async def _stream_scope(
    request: Request, _token: ByToken, _credential: ByCredential, _cookie: ByCookie, unit_id: UnitId = None
) -> Scope:
    return await stream_scope(request, unit_id)


@router.get(
    "/stream",
    status_code=200,
    response_class=EventStream,
    responses={
        200: {"description": "Server-sent events", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **problems(Invalid, NotAuthenticated, NotFound),
    },
)
async def follow_stream(
    request: Request,
    scope: Annotated[Scope, Depends(_stream_scope, scope="function")],
    last_event_id: Annotated[
        str | None,
        Header(alias="Last-Event-ID", description="The id of the last event received; the stream resumes after it"),
    ] = None,
    named: Annotated[
        bool, Query(description="`0` omits the event names, so that browsers deliver all events to `onmessage`")
    ] = True,
) -> EventStream:
    """Follow an OU's events and score changes as server-sent events: `new_event`, `score_update` and `surge`.

    `surge` says that an event took its lead's surge to a higher multiplier.

    Server-sent events are numbered and kept for an hour. A client that reconnects with `Last-Event-ID` receives every
    later one exactly once. If that is not possible (the client was away too long, or reads too slowly), the server
    sends `resync`: the client should reload its data. Comments keep the connection alive. The stream ends within
    five seconds after your access ends.
    """
    return EventStream(
        texts(
            request.app.state.broadcaster,
            request.app.state.stream_guard,
            scope,
            frame_number(last_event_id),
            named=named,
        )
    )
