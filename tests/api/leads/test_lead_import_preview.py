"""The upload and preview of a CSV of leads."""

# Options of a request are passed as a mapping.
# pyright: reportArgumentType=false

from typing import Any

import pytest

from leadvibe.core.http.multipart import UploadedFile
from leadvibe.core.http.problems import Invalid
from leadvibe.core.threads import StopSignal
from leadvibe.leads.importing.reading import read_leads
from support.callers import Caller
from support.importing import LEADS, counts, imported, preview
from support.postgres import TestDatabase


async def test_a_preview_describes_a_file(client: Caller) -> None:
    response = await preview(client, b"\xef\xbb\xbf" + LEADS + b"".join(b"x%d@y.zz,,,\n" % n for n in range(6)))
    assert response.status_code == 200
    body = response.json()
    assert body.pop("file_id").startswith("preview_")
    assert body.pop("expires_at").endswith("Z")
    assert body == {
        "file_name": "leads.csv",
        "headers": ["Email", "Phone", "CRM Id", "Company"],
        "sample_rows": [
            ["ada@example.com", "+44 20 1234", "c-1", "Analytical"],
            ["Grace@Example.com", "", "c-2", "Navy"],
            *[[f"x{n}@y.zz", "", "", ""] for n in range(3)],
        ],
        "row_count": 8,
        "auto_detected_identifiers": {
            "email_columns": ["Email"],
            "phone_columns": ["Phone"],
            "external_id_columns": ["CRM Id"],
            "cookie_columns": [],
            "social_columns": [],
        },
        "delimiter": ",",
        "warnings": [],
    }


async def test_a_column_whose_values_repeat_is_not_offered(client: Caller) -> None:
    rows = "".join(f"lead{n}@x.com;owner{n % 5}@us.com;Ann;{n % 9};{n}\n" for n in range(950))
    body = (await preview(client, f"Email;Contact owner;Name;Lead ID;Record ID\n{rows}".encode("utf-16"))).json()
    assert (body["delimiter"], body["row_count"]) == (";", 950)
    found = body["auto_detected_identifiers"]
    assert (found["email_columns"], found["external_id_columns"]) == (["Email"], ["Record ID"])


async def test_a_value_may_occur_twice_in_a_short_file(client: Caller) -> None:
    body = (await preview(client, b"Email,Owner email\na@b.cc,o@us.com\na@b.cc,o@us.com\nc@d.ee,o@us.com\n")).json()
    assert body["auto_detected_identifiers"]["email_columns"] == ["Email"]


async def test_blank_rows_and_unnamed_columns_are_ignored(client: Caller) -> None:
    body = (await preview(client, b"Email,Name,,\na@b.cc,Ada,,\n,,,\nc@d.ee,Bob,,note\n\x1a")).json()
    assert (body["headers"], body["row_count"]) == (["Email", "Name"], 2)
    assert body["sample_rows"] == [["a@b.cc", "Ada"], ["c@d.ee", "Bob"]]
    assert body["warnings"] == ["column 4 has values but no name in the header; it is ignored"]
    by_mail = {"primary_identifier": {"column": "Email", "kind": "email"}, "field_mappings": {"Name": "name"}}
    result = await imported(client, b"Name,,Email\nAda,,a@b.cc\n,,\n", **by_mail)
    assert counts(result) == (1, 1, 0, 0)


async def test_the_delimiter_can_be_given(client: Caller) -> None:
    files = {"file": ("leads.csv", b"a;b,c\n1;2,3\n", "text/csv")}
    response = await client.post("/leads/import/preview", files=files, params={"delimiter": ","})
    assert response.json()["headers"] == ["a;b", "c"]
    response = await client.post("/leads/import/preview", files=files, params={"delimiter": "xx"})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "delimiter")


def test_a_file_with_too_many_rows_is_refused() -> None:
    upload = UploadedFile("leads.csv", "text/csv", b"Email\n" + b"a@b.cc\n" * 11)
    with pytest.raises(Invalid, match="at most 10 rows"):
        read_leads(upload, StopSignal(), max_rows=10)
    assert read_leads(upload, StopSignal(), max_rows=11).row_count == 11


async def test_identifier_columns_are_detected_by_their_values_too(client: Caller) -> None:
    content = b"""contact,Mail opened,how,where,profileUrl,visitorId,date,companyId
a@b.cc,yes,+49 30 123456,x,https://www.linkedin.com/in/ada,v1,2024-01-02,7
c@d.ee,no,(030) 123-456,y,https://linkedin.com/in/bob,v2,2024-01-03,8
"""
    assert (await preview(client, content)).json()["auto_detected_identifiers"] == {
        "email_columns": ["contact"],
        "phone_columns": ["how"],
        "external_id_columns": [],
        "cookie_columns": ["visitorId"],
        "social_columns": ["profileUrl"],
    }


async def test_a_file_may_consist_of_a_header_only(client: Caller) -> None:
    body = (await preview(client, b"email_address,telephone")).json()
    assert (body["row_count"], body["sample_rows"]) == (0, [])
    found = body["auto_detected_identifiers"]
    assert (found["email_columns"], found["phone_columns"]) == (["email_address"], ["telephone"])
    assert counts(await imported(client, b"email\n", primary_identifier={"column": "email", "kind": "email"})) == (
        *(0, 0, 0, 0),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; it must start with a header row"),
        (b"\n\n", "is empty; it must start with a header row"),
        (b"a,b,a\n1,2,3\n", "the header contains the column 'a' twice"),
        (b'a,"b\nc\n', "must be a CSV in UTF-8: the header has a quote that is not closed"),
        (b"a,b\r1,2\r", "must be a CSV in UTF-8: the header has a carriage return in the middle of a line"),
        pytest.param(b"a," * 20_000 + b"a\n", "has 20,001 columns; at most 1,000 are allowed", id="too many columns"),
        (b"a,b\n1,2\n3,\xe4\n", "line 3 is not UTF-8"),
        (b'a,b\n"1\n\xff",2\n', "line 3 is not UTF-8"),
    ],
)
async def test_an_unreadable_file_is_refused(client: Caller, content: bytes, message: str) -> None:
    response = await preview(client, content)
    assert (response.status_code, response.json()["errors"]) == (400, [{"field": "file", "message": message}])


async def test_a_file_may_have_a_thousand_columns(client: Caller) -> None:
    header = ",".join(str(number) for number in range(1_000))
    assert len((await preview(client, header.encode())).json()["headers"]) == 1_000
    response = await preview(client, f"{header},more".encode())
    assert (response.status_code, response.json()["detail"]) == (
        400,
        "file: has 1,001 columns; at most 1,000 are allowed",
    )


@pytest.mark.parametrize("value", ["a" * 400 + "@example.com", "a@" + "." * 400 + "com"], ids=["name", "domain"])
async def test_a_column_of_long_values_is_not_offered(client: Caller, value: str) -> None:
    identifiers = (await preview(client, f"mail\n{value}\n".encode())).json()["auto_detected_identifiers"]
    assert "email" not in identifiers


async def test_a_boundary_of_any_length_is_not_a_server_error(client: Caller) -> None:
    for length, status in ((0, 400), (256, 200), (257, 400), (50_000, 400)):
        boundary = "b" * length
        form = f"--{boundary}\r\nContent-Disposition: form-data; name=file\r\n\r\na,b\n\r\n--{boundary}--\r\n"
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        for path in ("/leads/import/preview", "/import"):
            response = await client.post(path, content=form, headers=headers)
            if path != "/import" or status == 400:
                assert response.status_code == status, response.text
                assert status == 200 or "boundary" in response.json()["detail"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04 an .xlsx", "text/csv"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1 an .xls", "text/csv"),
        (b"\x89PNG\r\n", "text/csv"),
        (b"\x1f\x8b\x08", "text/csv"),
        (b"a,b\n\x00\x01", "text/csv"),
        (b'{"email": "a@b.cc"}', "application/json"),
    ],
)
async def test_other_files_are_refused_by_their_bytes_or_content_type(
    client: Caller, content: bytes, kind: str
) -> None:
    assert (await preview(client, content, kind)).status_code == 415


@pytest.mark.parametrize("kind", ["text/csv; charset=utf-8", "application/vnd.ms-excel", "text/plain"])
async def test_a_csv_may_have_the_content_types_that_browsers_send(client: Caller, kind: str) -> None:
    assert (await preview(client, LEADS, kind)).status_code == 200


async def test_a_request_without_a_file_is_refused(client: Caller) -> None:
    for request in ({"files": {"other": ("x.csv", b"a")}}, {}):
        response = await client.post("/leads/import/preview", **request)
        assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "file")
    assert (await client.post("/leads/import/preview", json={})).status_code == 415


async def test_ten_megabytes_are_accepted_and_one_byte_more_is_not(client: Caller, database: TestDatabase) -> None:
    limit = 10 * 1024 * 1024
    row = b"a@b.cc," + b"x" * 1000 + b"\n"
    content = b"email,text\n" + row * (limit // len(row))
    content += b"y" * (limit - len(content))
    assert (await preview(client, content)).json()["row_count"] == limit // len(row) + 1
    response = await preview(client, content + b"y")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (413, "file")


@pytest.mark.parametrize("field", ["file", "other"])
async def test_an_oversized_upload_is_not_read_to_its_end(client: Caller, field: str) -> None:
    boundary = b"--b\r\nContent-Disposition: form-data; name=%b; filename=x.csv\r\n\r\n" % field.encode()
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        yield boundary
        while sent < 64:
            sent += 1
            yield b"a" * 1024 * 1024

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = await client.post("/leads/import/preview", content=endless(), headers=headers)
    assert response.status_code == 413
    assert sent < 14
