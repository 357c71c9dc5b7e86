"""CSV in chunks: records are complete, and a malformed record does not affect the others."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadvibe.ingest.csv_records import MAX_RECORD_BYTES, CsvRecords, Record

READER = csv.reader


def records(content: bytes, size: int = 2**20) -> list[Record]:
    reader = CsvRecords()
    found: list[Record] = []
    for start in range(0, len(content), size):
        found += reader.feed(content[start : start + size])
    return [*found, *reader.finish()]


def cells(content: bytes) -> list[list[str]]:
    found = records(content)
    assert all(record.problem is None for record in found), found
    return [record.cells for record in found]


def test_records_are_lines_of_cells() -> None:
    assert cells(b"a,b\r\n1,2\n3,4") == [["a", "b"], ["1", "2"], ["3", "4"]]


def test_a_quoted_cell_can_contain_anything() -> None:
    assert cells(b'a,"x,""y""\nz",c\n1,2,3\n') == [["a", 'x,"y"\nz', "c"], ["1", "2", "3"]]


def test_empty_lines_are_not_records_but_count_as_lines() -> None:
    assert records(b"a\n\n\r\nb\n") == [Record(1, ["a"]), Record(4, ["b"])]


def test_a_record_has_the_number_of_its_first_line() -> None:
    assert [record.line for record in records(b'a,"1\n2\n3"\nb,c\n')] == [1, 4]


def test_an_unclosed_quote_makes_only_its_own_line_malformed() -> None:
    found = records(b'a,b\n1,"open\n2,3\n4,5\n')
    assert [(record.line, record.cells) for record in found] == [
        (1, ["a", "b"]),
        (2, []),
        (3, ["2", "3"]),
        (4, ["4", "5"]),
    ]
    assert found[1].problem == "has a quote that is not closed"


def test_a_quote_that_the_next_quoted_cell_seems_to_close_costs_its_line_and_no_more() -> None:
    found = records(b'1,"open\n2,"{""a"":1}"\n3,"{}"\n')
    assert [(record.line, record.cells) for record in found] == [(1, []), (2, ["2", '{"a":1}']), (3, ["3", "{}"])]
    assert found[0].problem is not None


def test_an_open_quote_is_given_up_soon_however_long_the_file_is() -> None:
    line = b"x" * 99 + b"\n"
    reader = CsvRecords()
    assert list(reader.feed(b'"open\n')) == []
    waited = 0
    while not (found := list(reader.feed(line * 100))):
        waited += 100
    assert waited * len(line) < MAX_RECORD_BYTES
    assert (found[0].line, found[0].problem) == (1, "has a quote that is not closed")
    assert [record.cells for record in found[1:]] == [["x" * 99]] * (waited + 100)


def test_a_line_that_is_too_long_is_one_broken_record() -> None:
    content = b"a\n" + b"x" * (3 * MAX_RECORD_BYTES) + b"\nb\n"
    for size in (2**16, 2**20):
        found = records(content, size)
        assert [(record.line, record.cells) for record in found] == [(1, ["a"]), (2, []), (3, ["b"])]
    assert [record.line for record in records(b"a\n" + b"x" * (3 * MAX_RECORD_BYTES), 2**16)] == [1, 2]


def test_a_line_that_is_not_utf8_is_one_broken_record() -> None:
    found = records("a\nM\xfcller\nb\n".encode("latin-1"))
    assert [(record.line, record.cells, record.problem) for record in found] == [
        (1, ["a"], None),
        (2, [], "is not UTF-8"),
        (3, ["b"], None),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'"a"b,c', "has text after a closing quote"),
        (b"a\rb,c", "has a carriage return in the middle of a line"),
        (b'"a"\rb,c', "has a carriage return in the middle of a line"),
        (b"a," + b"x" * 131_073, "has a cell of more than 131,072 characters"),
        (b"a," * MAX_RECORD_BYTES + b'"b', "has a quote that is not closed"),
    ],
    ids=range(5),
)
def test_a_malformed_line_has_our_own_message_and_affects_no_other_line(line: bytes, problem: str) -> None:
    assert records(line + b"\nd,e\n", 2**23) == [Record(1, [], problem), Record(2, ["d", "e"])]


def test_an_unknown_error_of_the_reader_has_a_general_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def newer_reader(*_: object, **__: object) -> Iterator[list[str]]:
        raise csv.Error("please reopen the file")

    monkeypatch.setattr(csv, "reader", newer_reader)
    assert records(b"a\n") == [Record(1, [], "cannot be read as CSV")]


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_character_can_be_split_between_chunks(size: int) -> None:
    assert [record.cells for record in records("ä,😀\n€,x\n".encode(), size)] == [["ä", "😀"], ["€", "x"]]


patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""No deadline, because the machine may be busy."""

CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    st.lists(st.lists(CELL, min_size=1, max_size=4), max_size=10), st.integers(1, 50), st.sampled_from(["\n", "\r\n"])
)
def test_written_rows_are_read_in_chunks_of_any_size(rows: list[list[str]], size: int, end: str) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator=end).writerows(rows)
    assert [record.cells for record in records(written.getvalue().encode(), size)] == rows


LINE = st.text(st.sampled_from('",a\r'), max_size=8)
QUOTES = ['a",""",', '"', '"a', '"a""', '""', '",', 'a,"', '"a",', "a"]


@patient
@given(st.lists(LINE | st.sampled_from(QUOTES), min_size=1, max_size=4), st.sampled_from([16, 2**10, 2**16]))
def test_every_byte_is_parsed_at_most_three_times_however_the_quotes_stand(pattern: list[str], size: int) -> None:
    content = ("\n".join(pattern) + "\n").encode() * 2_000
    parsed = 0

    def counting_reader(lines: Sequence[str], **options: Any) -> Iterator[list[str]]:
        nonlocal parsed
        parsed += sum(map(len, lines))
        return READER(lines, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv, "reader", counting_reader)
        records(content, size)
    lines = content.count(b"\n")
    assert parsed <= 3 * len(content) + lines  # each continuation is parsed with a quote before it


@patient
@given(st.lists(st.sampled_from([b'"', b",", b"a", b"\n", b"\r\n", b"\xff"]), max_size=60), st.integers(1, 9))
def test_the_size_of_the_chunks_makes_no_difference(parts: list[bytes], size: int) -> None:
    content = b"".join(parts)
    assert records(content, size) == records(content)
