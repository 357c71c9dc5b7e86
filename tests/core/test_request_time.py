"""A request ends with its client, or at its deadline."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from leadvibe.core.http import request_time
from leadvibe.core.http.request_time import LimitTime, RunningRequest, running_request

App = Callable[[Scope, Receive, Send], Awaitable[None]]

GUARD_SECONDS = 30
"""After this, a request that ought to have ended fails its test."""
LONG = timedelta(hours=1)
SHORT = timedelta(milliseconds=1)
AT_ONCE = timedelta(0)
"""The deadline has passed when it is checked for the first time."""
START: Message = {"type": "http.response.start", "status": 200, "headers": []}
PART: Message = {"type": "http.response.body", "body": b"x", "more_body": True}
END: Message = {"type": "http.response.body", "body": b"", "more_body": False}


@pytest.fixture(autouse=True)
def watched_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_time, "WATCH_AFTER_SECONDS", 0)
    monkeypatch.setattr(request_time, "CHECK_SECONDS", 0)


@dataclass
class Client:
    """Sends the parts of a body and takes the response, as a server passes them on."""

    body: list[bytes] = field(default_factory=list[bytes])
    left: asyncio.Event = field(default_factory=asyncio.Event)
    taken: list[Message] = field(default_factory=list[Message])
    reads: bool = True

    async def receive(self) -> Message:
        if self.left.is_set():
            return {"type": "http.disconnect"}
        if self.body:
            part = self.body.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(self.body)}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if not self.reads:
            await asyncio.Event().wait()
        self.taken.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.left.set()  # a server reports the end of the response like this

    async def call(self, app: App, limit: timedelta = LONG) -> None:
        headers = [(b"content-length", b"9")] if len(self.body) > 1 or self.body != [b""] else []
        scope: Scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
        async with asyncio.timeout(GUARD_SECONDS):
            await LimitTime(app, lambda: limit)(scope, self.receive, self.send)

    @property
    def status(self) -> int | None:
        return self.taken[0]["status"] if self.taken else None


class Work:
    """An application that reads the body and then works until it is cancelled."""

    def __init__(self, *messages: Message, reads_body: bool = True) -> None:
        self.working = asyncio.Event()
        self.cancelled = False
        self._messages = messages
        self._reads_body = reads_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while self._reads_body and (await receive()).get("more_body", False):
            pass
        for message in self._messages:
            await send(message)
        self.working.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


@pytest.mark.parametrize("reads_body", [True, False])
async def test_without_a_body_the_work_ends_when_the_client_leaves(*, reads_body: bool) -> None:
    client, work = Client([b""]), Work(reads_body=reads_body)
    serving = asyncio.create_task(client.call(work))
    await work.working.wait()
    client.left.set()
    await serving
    assert work.cancelled
    assert client.status == 499


async def test_after_its_body_the_work_ends_when_the_client_leaves() -> None:
    client, work = Client([b"one", b"two"]), Work()
    serving = asyncio.create_task(client.call(work))
    await work.working.wait()
    client.left.set()
    await serving
    assert work.cancelled


async def test_a_stream_ends_when_the_client_leaves() -> None:
    client, work = Client([b""]), Work(START, PART)
    serving = asyncio.create_task(client.call(work, SHORT))
    await work.working.wait()
    client.left.set()
    await serving
    assert work.cancelled
    assert client.taken == [START, PART]


async def test_an_application_that_waits_for_the_client_to_leave_hears_of_it() -> None:
    client, heard = Client([b""]), list[Message]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(START)
        client.left.set()
        heard.append(await receive())

    await client.call(app)
    assert heard == [{"type": "http.disconnect"}]


async def test_the_end_of_the_response_is_no_reason_to_cancel_what_follows() -> None:
    client, done = Client([b""]), list[str]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(START)
        await send(END)
        for _ in range(10):
            await asyncio.sleep(0)
        done.append("after the response")

    await client.call(app)
    assert done == ["after the response"]


@pytest.mark.parametrize("body", [[b""], [b"one", b"two"]])
async def test_late_work_is_cancelled_and_the_answer_names_the_limit(body: list[bytes]) -> None:
    client, work = Client(body), Work()
    await client.call(work, SHORT)
    assert work.cancelled
    start, content = client.taken
    assert (start["status"], dict(start["headers"])[b"retry-after"]) == (503, b"5")
    told = json.loads(content["body"])
    assert (told["title"], "LEADVIBE_REQUEST_TIMEOUT" in told["detail"]) == ("Not available", True)
    assert "0.001 seconds" in told["detail"]


@pytest.mark.parametrize("failure", [RuntimeError("the connection is gone"), None])
async def test_work_that_answers_its_cancellation_in_another_way_is_late_all_the_same(
    failure: Exception | None,
) -> None:
    client = Client([b""])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await send(START)
            if failure is not None:
                raise failure from None

    await client.call(app, SHORT)
    assert client.status == 503


async def test_an_error_of_the_application_is_passed_on() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise TimeoutError("of the application")

    with pytest.raises(TimeoutError, match="of the application"):
        await Client([b""]).call(app)


def checks(monkeypatch: pytest.MonkeyPatch, number: int) -> asyncio.Event:
    """Is set when the deadline has been checked this often."""
    done, check, counted = asyncio.Event(), RunningRequest._check, list[int]()

    def count(request: RunningRequest) -> None:
        check(request)
        counted.append(1)
        if len(counted) >= number:
            done.set()

    monkeypatch.setattr(RunningRequest, "_check", count)
    return done


async def test_a_response_that_has_started_has_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    client, checked = Client([b""]), checks(monkeypatch, 5)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(PART)
        await checked.wait()
        await send(END)

    await client.call(app, AT_ONCE)
    assert client.taken == [START, PART, END]


async def test_a_body_that_is_read_after_the_response_has_started_sets_no_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, checked = Client([b"one", b"two"]), checks(monkeypatch, 5)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await receive()
        await checked.wait()
        await send(END)

    await client.call(app, AT_ONCE)
    assert client.taken == [START, END]


async def test_a_request_whose_deadline_was_removed_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    client, checked = Client([b""]), checks(monkeypatch, 5)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        running_request(scope).remove_deadline()
        await checked.wait()
        await send(START)
        await send(END)

    await client.call(app, AT_ONCE)
    assert client.status == 200


async def test_a_client_that_stops_reading_ends_the_response() -> None:
    client, ended = Client([b""], reads=False), list[Any]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send(START)
        finally:
            ended.append("send")

    await client.call(app, SHORT)
    assert (ended, client.taken) == (["send"], [])


async def test_each_part_of_a_body_moves_the_deadline() -> None:
    client = Client([b"one", b"two"])
    scope: Scope = {"type": "http", "headers": [(b"transfer-encoding", b"chunked")]}
    request = RunningRequest(scope, client.receive, client.send, 60)
    deadlines = [request.deadline]
    for _ in range(2):
        await request.receive()
        deadlines.append(request.deadline)
    assert deadlines == sorted(set(deadlines))
