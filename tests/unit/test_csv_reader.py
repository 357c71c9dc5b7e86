"""CSV files as spreadsheets and other programs write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadvibe.core.http.problems import Invalid
from leadvibe.ingest.csv_decoding import NotCsv
from leadvibe.ingest.csv_delimiter import read_delimiter
from leadvibe.ingest.csv_reader import CsvReader
from leadvibe.ingest.csv_records import Record

EXPECTED = ["Email", "Name"], [["ada@example.com", "Ada"], ["bob@example.com", "Bob"]]


def read(content: bytes, size: int = 2**20, delimiter: str | None = None) -> tuple[CsvReader, list[Record]]:
    reader = CsvReader(delimiter)
    rows: list[Record] = []
    for start in range(0, len(content), size):
        rows += reader.feed(content[start : start + size])
    return reader, [*rows, *reader.finish()]


def cells(content: bytes, delimiter: str | None = None) -> tuple[list[str] | None, list[list[str]]]:
    reader, rows = read(content, delimiter=delimiter)
    assert all(row.problem is None for row in rows), rows
    return reader.header, [row.cells for row in rows]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"Email,Name\nada@example.com,Ada\nbob@example.com,Bob\n", id="Google Sheets"),
        pytest.param(b"Email,Name\r\nada@example.com,Ada\r\nbob@example.com,Bob", id="no final line break"),
        pytest.param(b"\xef\xbb\xbfEmail;Name\r\nada@example.com;Ada\r\nbob@example.com;Bob\r\n", id="Excel, Germany"),
        pytest.param(
            "Email\tName\r\nada@example.com\tAda\r\nbob@example.com\tBob\r\n".encode("utf-16"), id="Excel, Unicode text"
        ),
        pytest.param(
            b"\xfe\xff" + "Email;Name\nada@example.com;Ada\nbob@example.com;Bob\n".encode("utf-16-be"),
            id="UTF-16, big-endian",
        ),
        pytest.param(b'"Email"|"Name"\n"ada@example.com"|"Ada"\n"bob@example.com"|"Bob"\n', id="pipes"),
        pytest.param(b"sep=;\r\nEmail;Name\r\nada@example.com;Ada\r\nbob@example.com;Bob\r\n", id="sep="),
        pytest.param(b'"sep=^"\nEmail^Name\nada@example.com^Ada\nbob@example.com^Bob\n', id="sep= of any character"),
        pytest.param(
            b"\xef\xbb\xbf\n\nEmail,Name,,\nada@example.com,Ada,,\n,,,\nbob@example.com,Bob,,\n , ,,\n", id="Numbers"
        ),
        pytest.param(b"Email,Name\nada@example.com,Ada,,,\nbob@example.com,Bob,\n", id="cells beyond the header"),
        pytest.param(b",Email,,Name\n,ada@example.com,,Ada\n,bob@example.com,,Bob\n", id="unnamed columns between"),
        pytest.param(b"Email,Name\nada@example.com,Ada\nbob@example.com,Bob\n\x1a", id="Ctrl-Z"),
        pytest.param(b"Email,Name\nada@example.com,Ada\nbob@example.com,Bob\x1a\r\n", id="Ctrl-Z and a line break"),
    ],
)
def test_a_file_is_read_as_programs_write_it(content: bytes) -> None:
    assert cells(content) == EXPECTED
    for size in (1, 3, 64):
        reader, rows = read(content, size)
        assert (reader.header, [row.cells for row in rows]) == EXPECTED


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        (b"a;b\n1,2;3,4\n", ";"),
        (b"Revenue, EUR;Email\n1;a@b.cc\n2;c@d.ee\n", ";"),
        (b'"Last, First"|Email|Phone\nx|y|z\n', "|"),
        (b'a,b\n"x;y;z",1\n', ","),
        (b"a,b|c,d\n1,2|3,4\n", ","),
        (b"only\nx;y\n", ","),
        (b"", ","),
    ],
)
def test_the_delimiter_is_the_one_that_fits_header_and_rows(content: bytes, delimiter: str) -> None:
    assert read(content)[0].delimiter == delimiter


def test_a_given_delimiter_counts() -> None:
    assert cells(b"a;b,c\n1;2,3\n", delimiter=",") == (["a;b", "c"], [["1;2", "3"]])
    assert [read_delimiter(text) for text in ("tab", "\t", ";", "Pipe")] == ["\t", "\t", ";", "|"]
    for text in ("", "ab", '"', "\n", "x", "é"):
        with pytest.raises(Invalid, match="delimiter"):
            read_delimiter(text)


def test_only_one_ctrl_z_at_the_end_is_ignored() -> None:
    assert cells(b"a,b\n1,\x1a\n2,3\n\x1a\n\x1a\n")[1] == [["1", "\x1a"], ["2", "3"], ["\x1a"]]


def test_quoted_line_breaks_stay() -> None:
    assert cells(b'a;b\r\n"1\r\n2";3\r\n')[1] == [["1\r\n2", "3"]]


def test_values_without_a_column_name_are_noticed() -> None:
    reader, rows = read(b"a,,b,\n1,lost,2,\n3,,4,lost\n")
    assert ([row.cells for row in rows], reader.columns_with_lost_values) == ([["1", "2"], ["3", "4"]], {2, 4})


def test_lines_are_counted_from_the_start_of_the_file() -> None:
    assert [row.line for row in read(b"sep=,\n\na,b\n,\n1,2\n\n3,4\n")[1]] == [5, 7]


def test_a_malformed_row_keeps_its_text() -> None:
    _, rows = read('a;b\nM\xfcller;1\n"open;2\n3;4\n'.encode("latin-1"))
    assert [(row.line, row.problem, row.text) for row in rows] == [
        (2, "is not UTF-8", "Müller;1"),
        (3, "has a quote that is not closed", '"open;2'),
        (4, None, ""),
    ]
    _, rows = read(b'a;b\n"1"x;2\n')
    assert rows[0].problem == "has text after a closing quote"


@pytest.mark.parametrize("end", [b"\x00\xd8", b"x"], ids=["lone surrogate", "half a character"])
def test_only_the_malformed_line_of_a_utf16_file_is_refused(end: bytes) -> None:
    _, rows = read("a\nb\n".encode("utf-16") + end)
    assert [(row.line, row.problem) for row in rows] == [(2, None), (3, "is not UTF-8")]


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"%PDF-1.7", b"\x1f\x8b\x08\x00"])
def test_other_kinds_of_files_are_recognized(start: bytes) -> None:
    with pytest.raises(NotCsv):
        read(start + b"a,b\n")


PARTS = [b'"', b",", b";", b"a", b"\n", b"\r\n", b"\xff", b"\x1a", b"sep=;", b"\xff\xfe", b"\x00"]


@given(st.lists(st.sampled_from(PARTS), max_size=60), st.integers(1, 9))
def test_the_size_of_the_chunks_makes_no_difference(parts: list[bytes], size: int) -> None:
    content = b"".join(parts)
    (reader, rows), (whole, expected) = read(content, size), read(content)
    assert (reader.header, reader.delimiter, rows) == (whole.header, whole.delimiter, expected)
