"""What becomes of the rows of an import of leads."""

from collections.abc import Awaitable, Callable

import pytest

from leadvibe.leads.importing import reading
from leadvibe.leads.importing.rows import ERRORS_SHOWN
from support.callers import Caller
from support.importing import BY_MAIL, LEADS, WHOLE, aliases_of, counts, imported, lead_of, previewed, result
from support.make import Make

Drain = Callable[[], Awaitable[None]]


async def test_leads_are_created_with_their_fields_and_aliases(client: Caller) -> None:
    told = await imported(client)
    assert told == {"processed": 2, "created": 2, "updated": 0, "failed": 0, "errors": []}
    ada = await lead_of(client, "ada@example.com")
    assert ada["lead_id"].startswith("ld_")
    assert ada["metadata"] == {"company": "Analytical"}
    assert await aliases_of(client, ada["lead_id"]) == {
        ("email", "ada@example.com"),
        ("phone", "+44201234"),
        ("external_id", "c-1"),
    }
    assert await aliases_of(client, (await lead_of(client, "grace"))["lead_id"]) == {
        ("email", "grace@example.com"),
        ("external_id", "c-2"),
    }


async def test_a_lead_that_is_known_is_updated_field_by_field(client: Caller, make: Make, drain: Drain) -> None:
    await make.lead("ada", metadata={"company": "Babbage", "role": "author"})
    await make.event(lead_id="ada", aliases=[{"alias_kind": "email", "raw_value": "ADA@example.com"}])
    await drain()
    assert counts(await imported(client)) == (2, 1, 1, 0)
    ada = (await client.get("/lead/ada")).json()
    assert ada["metadata"] == {"company": "Analytical", "role": "author"}
    assert ("phone", "+44201234") in await aliases_of(client, "ada")


async def test_an_empty_cell_takes_nothing_away(client: Caller) -> None:
    await imported(client)
    assert counts(await imported(client, b"Email,Phone,CRM Id,Company\nada@example.com\n")) == (1, 0, 1, 0)
    assert (await lead_of(client, "ada@"))["metadata"] == {"company": "Analytical"}


async def test_rows_of_one_lead_are_one_lead_and_the_last_wins(client: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE_RECORDS", 2)
    content = b"Email,Phone,CRM Id,Company\nA@b.cc,,,one\na@b.cc,,,two\n a@B.cc ,,,three\n"
    assert counts(await imported(client, content)) == (3, 1, 2, 0)
    assert (await client.get("/leads")).json()["total"] == 1
    assert (await lead_of(client, "a@b.cc"))["metadata"] == {"company": "three"}


async def test_an_import_that_is_started_twice_makes_nothing_twice(client: Caller) -> None:
    body = {"file_id": await previewed(client), **WHOLE}
    jobs = [(await client.post("/leads/import/start", json=body)).json()["job_id"] for _ in range(2)]
    # They run beside each other: either may be first.
    assert sorted([counts(await result(client, job)) for job in jobs]) == [(2, 0, 2, 0), (2, 2, 0, 0)]
    assert (await client.get("/leads")).json()["total"] == 2


async def test_a_row_finds_its_lead_by_a_further_alias_where_the_primary_one_is_new(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.event(lead_id="ada", aliases=[{"alias_kind": "external_id", "raw_value": "c-1"}])
    await drain()
    assert counts(await imported(client)) == (2, 1, 1, 0)
    assert ("email", "ada@example.com") in await aliases_of(client, "ada")


async def test_an_alias_of_somebody_else_stays_with_him_and_both_timelines_tell(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.event(lead_id="holder", aliases=[{"alias_kind": "external_id", "raw_value": "c-1"}])
    await make.event(lead_id="ada", aliases=[{"alias_kind": "email", "raw_value": "ada@example.com"}])
    await drain()
    assert counts(await imported(client)) == (2, 1, 1, 0)
    assert await aliases_of(client, "holder") == {("external_id", "c-1")}
    for lead_id in ("holder", "ada"):
        kinds = [event["event_type"] for event in (await client.get(f"/events/{lead_id}")).json()]
        assert "alias_conflict" in kinds


async def test_a_merged_leads_row_reaches_the_one_that_took_it_in(client: Caller, make: Make, drain: Drain) -> None:
    await make.event(lead_id="source", aliases=[{"alias_kind": "email", "raw_value": "ada@example.com"}])
    await make.event(lead_id="target")
    await drain()
    await client.post("/leads/merge", json={"targetLeadId": "target", "sourceLeadIds": ["source"]})
    assert counts(await imported(client)) == (2, 1, 1, 0)
    assert (await client.get("/lead/target")).json()["metadata"] == {"company": "Analytical"}


async def test_a_row_that_is_wrong_is_named_and_the_others_are_imported(client: Caller) -> None:
    content = b"""Email,Phone,CRM Id,Company
,,c-9,none
a@b.cc,"+1
23",c-1,two lines
b@b.cc,n/a,c-2,no digits
c@b.cc,,,,too many
"d@b.cc,,,open
e@b.cc,,,after it
"""
    told = await imported(client, content)
    assert counts(told) == (6, 2, 0, 4)
    assert told["errors"] == [
        {"line": 2, "error": "Email: is empty, and names the lead"},
        {"line": 5, "error": "Phone: must contain a digit"},
        {"line": 6, "error": "has 5 cells, and the header 4"},
        {"line": 7, "error": "has a quote that is not closed"},
    ]
    assert (await client.get("/leads")).json()["total"] == 2
    assert (await lead_of(client, "e@b.cc"))["metadata"] == {"company": "after it"}


async def test_a_row_that_a_lead_has_no_room_for_fails_alone(client: Caller) -> None:
    half = b"x" * 60_000
    content = b"Email,Company,Text\na@b.cc,%b,\na@b.cc,,%b\nb@b.cc,%b,%b\n" % (half, half, half, half)
    told = await imported(client, content, **BY_MAIL, field_mappings={"Company": "one", "Text": "two"})
    assert counts(told) == (3, 1, 0, 2)
    assert [error["line"] for error in told["errors"]] == [3, 4]
    assert all("metadata: must be at most" in error["error"] for error in told["errors"])
    assert list((await lead_of(client, "a@b.cc"))["metadata"]) == ["one"]


async def test_a_row_that_is_refused_leaves_no_alias_behind(client: Caller, make: Make, drain: Drain) -> None:
    await make.lead("fat", metadata={"text": "x" * 102_000})
    await make.event(lead_id="fat", aliases=[{"alias_kind": "email", "raw_value": "fat@z.io"}])
    await drain()
    bio = b"y" * 1_000
    content = (
        b"Email,Phone,Bio\n,,\n"
        + b"fat@z.io,+4912399999,%b\n" % bio * 2
        + b"thin@z.io,+4912399999,%b\nfat@z.io,,z\n" % bio
    )
    told = await imported(client, content, **BY_MAIL, alias_mappings={"Phone": "phone"}, field_mappings={"Bio": "bio"})
    assert counts(told) == (5, 1, 1, 3)
    assert [error["line"] for error in told["errors"]] == [2, 3, 4]
    assert await aliases_of(client, "fat") == {("email", "fat@z.io")}
    assert (await client.get("/lead/fat")).json()["metadata"]["bio"] == "z"
    thin = (await lead_of(client, "thin@z.io"))["lead_id"]
    assert await aliases_of(client, thin) == {("email", "thin@z.io"), ("phone", "+4912399999")}


async def test_errors_are_bounded_in_number_and_all_counted(client: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE_RECORDS", 70)
    told = await imported(client, b"Email,Company\n" + b",x\n" * 150 + b"a@b.cc,y\n", **BY_MAIL)
    assert counts(told) == (151, 1, 0, 150)
    assert [error["line"] for error in told["errors"]] == list(range(2, 2 + ERRORS_SHOWN))


async def test_a_column_that_is_mapped_to_nothing_is_passed_over(client: Caller) -> None:
    await imported(client, LEADS, **BY_MAIL)
    ada = await lead_of(client, "ada@example.com")
    assert (ada["metadata"], await aliases_of(client, ada["lead_id"])) == ({}, {("email", "ada@example.com")})
