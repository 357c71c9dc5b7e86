"""What happens in an OU, as it happens."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request

from leadvibe.access.security_schemes import ByCookie, ByCredential, ByToken
from leadvibe.core.http.problems import Invalid, NotAuthenticated, NotFound, problems
from leadvibe.core.scope import Scope
from leadvibe.stream.access import scope_of_listener
from leadvibe.stream.service import EventStream, frame_number, may_still_follow, texts

router = APIRouter(tags=["Stream"])

UnitId = Annotated[
    str | None, Query(alias="ouId", description="The OU to follow; without it the active one (`activeOu` cookie)")
]


async def _stream_scope(
    request: Request, _token: ByToken, _credential: ByCredential, _cookie: ByCookie, unit_id: UnitId = None
) -> Scope:
    return await scope_of_listener(request, unit_id)


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
    unit_id: UnitId = None,
    last_event_id: Annotated[
        str | None,
        Header(alias="Last-Event-ID", description="The id of the last event the client has: it goes on from there"),
    ] = None,
    named: Annotated[
        bool, Query(description="`0` leaves the events' names out, so that a browser hands them to `onmessage`")
    ] = True,
) -> EventStream:
    """Follow what happens in an OU as server-sent events: `score_update`, `new_event`.

    Events are numbered and kept for an hour: a client that reconnects with `Last-Event-ID` misses none and sees none
    twice. Where that can't be done (it was away for too long, or reads too slowly) it is sent `resync`: it should read
    anew what it shows. Comments keep the connection alive.
    """
    return EventStream(
        texts(
            request.app.state.broadcaster,
            scope,
            frame_number(last_event_id),
            partial(may_still_follow, request, unit_id, scope),
            named=named,
        )
    )
