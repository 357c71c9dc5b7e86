"""Input that is made to be slow: the time to read it grows no faster than its size.

Each case is measured in processor time, for one size and for four times as much, within one run. Linear work takes four
times as long then, quadratic work sixteen times.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from leadvibe.core.http.addresses import identified
from leadvibe.core.http.multipart import UploadedFile, read_file
from leadvibe.core.http.problems import Problem
from leadvibe.core.instants import parse_instant
from leadvibe.core.threads import StopSignal
from leadvibe.engine import numeric
from leadvibe.identity.aliases import STRENGTH, normalize
from leadvibe.identity.identifiers import read_id, read_new_lead_id
from leadvibe.ingest.csv_columns import Columns
from leadvibe.ingest.csv_reader import CsvReader
from leadvibe.ingest.handlers import idempotency_key
from leadvibe.ingest.import_options import ImportOptions
from leadvibe.ingest.validation import read_event
from leadvibe.leads.deletion.pending_aliases import EventIdentity, connected_aliases
from leadvibe.leads.importing.reading import read_leads

Work = Callable[[int], Callable[[], object]]
"""From a size to the work with input of this size."""

FACTOR = 4
MAX_RATIO = 10.0
"""Linear work has 4, plus the noise of the machine; quadratic work 16."""
MEASURABLE_SECONDS = 0.02
MAX_SIZE = 4_000_000


def csv(text: str) -> Work:
    """Read a file of events that consists of repetitions of a text, in chunks of 64 KiB and one of 1 MiB."""

    def of_size(size: int) -> Callable[[], object]:
        content = (text * (size // len(text) + 1)).encode()

        def read() -> None:
            reader = CsvReader()
            with suppress(Problem):
                for start in range(0, len(content), 2**16):
                    for _ in reader.feed(content[start : start + 2**16]):
                        pass
                for _ in reader.finish():
                    pass
                Columns(reader.checked_header(), ImportOptions())

        return read

    return of_size


def leads(text: str) -> Work:
    """Preview a file of leads."""

    def of_size(size: int) -> Callable[[], object]:
        upload = UploadedFile("leads.csv", "text/csv", (text * (size // len(text) + 1)).encode())
        return refusing(lambda: read_leads(upload, StopSignal(), max_rows=10_000_000))

    return of_size


def text(read: Callable[[str], object], part: str, start: str = "") -> Work:
    """Read a text that consists of repetitions of a part."""

    def of_size(size: int) -> Callable[[], object]:
        value = start + part * (size // len(part) + 1)
        return refusing(lambda: read(value))

    return of_size


def event(template: bytes, part: bytes) -> Work:
    """Read an event with repetitions of a part in it."""

    def of_size(size: int) -> Callable[[], object]:
        body = template.replace(b"*", (part * (size // len(part) + 1)).rstrip(b","))
        return refusing(lambda: read_event(body, phone_region="DE"))

    return of_size


def form(part: bytes) -> Work:
    """Read a multipart form with repetitions of a part."""

    def of_size(size: int) -> Callable[[], object]:
        body = part * (size // len(part) + 1)
        headers = {b"content-type": b"multipart/form-data; boundary=b"}
        parts = [body[start : start + 2**16] for start in range(0, len(body), 2**16)]

        async def read() -> object:
            waiting = [{"type": "http.request", "body": each, "more_body": True} for each in parts]
            waiting.append({"type": "http.request", "body": b"--b--\r\n", "more_body": False})

            async def receive() -> Any:
                return waiting.pop(0) if len(waiting) > 1 else waiting[0]

            return await read_file(headers, receive, "file", 2**40)

        return refusing(lambda: asyncio.run(read()))

    return of_size


def header(name: bytes, part: bytes) -> Work:
    """Find out the address of a client behind a trusted proxy."""

    def of_size(size: int) -> Callable[[], object]:
        scope = {"type": "http", "scheme": "http", "client": ("127.0.0.1", 1), "headers": [(name, part * size)]}

        async def app(*_: object) -> None:
            pass

        async def read() -> None:
            from ipaddress import ip_network

            await identified(app, None, [ip_network("127.0.0.0/8")])(dict(scope), None, None)  # type: ignore[arg-type]

        return lambda: asyncio.run(read())

    return of_size


def chain(size: int) -> Callable[[], object]:
    """Find the aliases of unprocessed events that are connected in a chain."""
    aliases = [("cookie", str(number)) for number in range(size // 20 + 2)]
    events = {EventIdentity(None, frozenset(pair)) for pair in pairwise(aliases)}
    return lambda: connected_aliases(events, {"ada"}, aliases[:1])


def refusing(work: Callable[[], object]) -> Callable[[], object]:
    def run() -> None:
        with suppress(Problem, ValueError, RecursionError):
            work()

    return run


CASES: dict[str, Work] = {
    "a wide header": csv("column,"),
    "unclosed quotes": csv('a",""",\n'),
    "quotes alone": csv('"'),
    "doubled quotes": csv('""\n'),
    "one open quote": csv('"a\n'),
    "lines of one character": csv("a\n"),
    "one long line": csv("a"),
    "carriage returns": csv("a\r"),
    "blank rows": csv(",,,\n"),
    "Ctrl-Z": csv("\x1a\n"),
    "leads: dots": leads("mail\na@" + "." * 300 + "\n"),
    "leads: a long cell": leads("."),
    "leads: a wide header": leads("mail,"),
    "leads: quotes": leads('a",""",\n'),
    "ids: combining characters": text(read_id, "\u0315\u0300\u0327", "a"),
    "lead ids: blanks": text(read_new_lead_id, " ", "a"),
    **{f"{kind}: combining characters": text(lambda t, k=kind: normalize(k, t), "\u0327\u0300") for kind in STRENGTH},
    "e-mail: dots": text(lambda t: normalize("email", t), ".", "a@"),
    "phone: digits": text(lambda t: normalize("phone", t, "DE"), "1"),
    "phone: brackets": text(lambda t: normalize("phone", t, "DE"), "(0)"),
    "times": text(parse_instant, "0", "2026-01-01T00:00:00."),
    "numbers in conditions": text(numeric, ",111", "1"),
    "keys in the header": text(lambda t: idempotency_key({b"idempotency-key": t.encode()}), '\\"', '"'),
    "events: nested metadata": event(b'{"event_type":"a","lead_id":"b","metadata":*}', b'{"a":'),
    "events: wide metadata": event(b'{"event_type":"a","lead_id":"b","metadata":{"a":[*]}}', b"1.5,"),
    "events: long numbers": event(b'{"event_type":"a","lead_id":"b","metadata":{"a":*}}', b"9"),
    "events: unknown fields": event(b'{"event_type":"a","lead_id":"b",*}', b'"f":1,'),
    "events: aliases": event(b'{"event_type":"a","aliases":[*]}', b'{"alias_kind":"phone","raw_value":"+4915112345"},'),
    "events: a long id": event(b'{"event_type":"a","lead_id":"*"}', "\u0315\u0300".encode()),
    "forms: many parts": form(b"--b\r\nContent-Disposition: form-data; name=x\r\n\r\nx\r\n"),
    "forms: a long part header": form(b"--b\r\nContent-Disposition: form-data"),
    "forms: almost a boundary": form(b"\r\n--"),
    "Forwarded": header(b"forwarded", b'\\"'),
    "X-Forwarded-For": header(b"x-forwarded-for", b"1,"),
    "events that wait in a chain": chain,
}


def seconds(work: Callable[[], object]) -> float:
    """The shortest processor time of three runs."""
    times: list[float] = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("work", CASES.values(), ids=CASES)
def test_time_grows_no_faster_than_the_input(work: Work) -> None:
    size = 1_000
    while (small := seconds(work(size))) < MEASURABLE_SECONDS:
        size *= 2
        if size > MAX_SIZE:
            return  # even this takes no time worth measuring
    assert seconds(work(FACTOR * size)) / small < MAX_RATIO
