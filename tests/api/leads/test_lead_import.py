"""The import of rows: created, updated and failed leads."""

from collections.abc import Awaitable, Callable

import pytest

from leadvibe.leads.importing import reading
from leadvibe.leads.importing.rows import MAX_ERRORS
from support.callers import Caller
from support.importing import BY_MAIL, LEADS, WHOLE, aliases_of, counts, imported, lead_of, previewed, result
from support.make import Make

Drain = Callable[[], Awaitable[None]]


async def test_leads_are_created_with_their_fields_and_aliases(client: Caller) -> None:
    outcome = await imported(client)
    counted = {"processed": 2, "created": 2, "updated": 0, "failed": 0, "conflicts": 0}
    assert outcome == {**counted, "errors": [], "warnings": []}
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


async def test_an_existing_lead_is_updated_field_by_field(client: Caller, make: Make, drain: Drain) -> None:
    await make.lead("ada", metadata={"company": "Babbage", "role": "author"})
    await make.event(lead_id="ada", aliases=[{"alias_kind": "email", "raw_value": "ADA@example.com"}])
    await drain()
    assert counts(await imported(client)) == (2, 1, 1, 0)
    ada = (await client.get("/lead/ada")).json()
    assert ada["metadata"] == {"company": "Analytical", "role": "author"}
    assert ("phone", "+44201234") in await aliases_of(client, "ada")


async def test_an_empty_cell_changes_nothing(client: Caller) -> None:
    await imported(client)
    assert counts(await imported(client, b"Email,Phone,CRM Id,Company\nada@example.com\n")) == (1, 0, 1, 0)
    assert (await lead_of(client, "ada@"))["metadata"] == {"company": "Analytical"}


async def test_several_rows_of_one_lead_update_it_in_order(client: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "RECORDS_PER_PIECE", 2)
    content = b"Email,Phone,CRM Id,Company\nA@b.cc,,,one\na@b.cc,,,two\n a@B.cc ,,,three\n"
    assert counts(await imported(client, content)) == (3, 1, 2, 0)
    assert (await client.get("/leads")).json()["total"] == 1
    assert (await lead_of(client, "a@b.cc"))["metadata"] == {"company": "three"}


async def test_starting_an_import_twice_creates_nothing_twice(client: Caller) -> None:
    body = {"file_id": await previewed(client), **WHOLE}
    jobs = [(await client.post("/leads/import/start", json=body)).json()["job_id"] for _ in range(2)]
    # They run beside each other: either may be first.
    assert sorted([counts(await result(client, job)) for job in jobs]) == [(2, 0, 2, 0), (2, 2, 0, 0)]
    assert (await client.get("/leads")).json()["total"] == 2


async def test_a_row_with_a_new_primary_identifier_is_a_new_lead_and_reports_the_alias_of_another_lead(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.event(lead_id="ada", aliases=[{"alias_kind": "external_id", "raw_value": "c-1"}])
    await drain()
    outcome = await imported(client)
    assert (counts(outcome), outcome["conflicts"]) == ((2, 2, 0, 0), 1)
    warning = "external_id: belongs to another lead and was not attached"
    assert outcome["warnings"] == [{"line": 2, "warning": warning}]
    assert await aliases_of(client, "ada") == {("external_id", "c-1")}


async def test_two_people_with_one_phone_number_are_two_leads_and_the_first_keeps_the_number(
    client: Caller,
) -> None:
    content = b"Email,Phone,Company\nada@x.com,+49 30 123456,one\nbob@x.com,+49 30 123456,two\n"
    mapping = {"alias_mappings": {"Phone": "phone"}, "field_mappings": {"Company": "company"}}
    outcome = await imported(client, content, **BY_MAIL, **mapping)
    assert (counts(outcome), outcome["conflicts"]) == ((2, 2, 0, 0), 1)
    warning = "phone: belongs to another lead and was not attached"
    assert outcome["warnings"] == [{"line": 3, "warning": warning}]
    ada, bob = await lead_of(client, "ada@x.com"), await lead_of(client, "bob@x.com")
    assert (ada["metadata"], bob["metadata"]) == ({"company": "one"}, {"company": "two"})
    assert await aliases_of(client, ada["lead_id"]) == {("email", "ada@x.com"), ("phone", "+4930123456")}
    assert await aliases_of(client, bob["lead_id"]) == {("email", "bob@x.com")}


async def test_an_alias_of_another_lead_stays_there_and_both_timelines_show_the_conflict(
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


async def test_a_row_of_a_merged_lead_updates_the_target(client: Caller, make: Make, drain: Drain) -> None:
    await make.event(lead_id="source", aliases=[{"alias_kind": "email", "raw_value": "ada@example.com"}])
    await make.event(lead_id="target")
    await drain()
    await client.post("/leads/merge", json={"targetLeadId": "target", "sourceLeadIds": ["source"]})
    assert counts(await imported(client)) == (2, 1, 1, 0)
    assert (await client.get("/lead/target")).json()["metadata"] == {"company": "Analytical"}


async def test_invalid_rows_are_reported_and_the_others_are_imported(client: Caller) -> None:
    content = b"""Email,Phone,CRM Id,Company
,,c-9,none
a@b.cc,"+1
23",c-1,two lines
b@b.cc,n/a,c-2,no digits
c@b.cc,,,,too many
"d@b.cc,,,open
e@b.cc,,,after it
"""
    outcome = await imported(client, content)
    assert counts(outcome) == (6, 2, 0, 4)
    assert outcome["errors"] == [
        {"line": 2, "error": "Email: the primary identifier must not be empty"},
        {"line": 3, "error": "Phone: must not contain control or invisible characters (U+000A)"},
        {"line": 6, "error": "has 5 cells, but the header has 4"},
        {"line": 7, "error": "has a quote that is not closed"},
    ]
    warning = "phone: 'n/a' is a placeholder, not an identifier; it was left out"
    assert outcome["warnings"] == [{"line": 5, "warning": warning}]
    assert (await client.get("/leads")).json()["total"] == 2
    assert (await lead_of(client, "e@b.cc"))["metadata"] == {"company": "after it"}


async def test_a_row_that_exceeds_the_metadata_limit_fails_alone(client: Caller) -> None:
    half = b"x" * 60_000
    content = b"Email,Company,Text\na@b.cc,%b,\na@b.cc,,%b\nb@b.cc,%b,%b\n" % (half, half, half, half)
    outcome = await imported(client, content, **BY_MAIL, field_mappings={"Company": "one", "Text": "two"})
    assert counts(outcome) == (3, 1, 0, 2)
    assert [error["line"] for error in outcome["errors"]] == [3, 4]
    assert all("metadata: must be at most" in error["error"] for error in outcome["errors"])
    assert list((await lead_of(client, "a@b.cc"))["metadata"]) == ["one"]


async def test_a_refused_row_stores_no_alias(client: Caller, make: Make, drain: Drain) -> None:
    await make.lead("fat", metadata={"text": "x" * 102_000})
    await make.event(lead_id="fat", aliases=[{"alias_kind": "email", "raw_value": "fat@z.io"}])
    await drain()
    bio = b"y" * 1_000
    content = (
        b"Email,Phone,Bio\n,,z\n"
        + b"fat@z.io,+4912399999,%b\n" % bio * 2
        + b"thin@z.io,+4912399999,%b\nfat@z.io,,z\n" % bio
    )
    outcome = await imported(
        client, content, **BY_MAIL, alias_mappings={"Phone": "phone"}, field_mappings={"Bio": "bio"}
    )
    assert counts(outcome) == (5, 1, 1, 3)
    assert [error["line"] for error in outcome["errors"]] == [2, 3, 4]
    assert await aliases_of(client, "fat") == {("email", "fat@z.io")}
    assert (await client.get("/lead/fat")).json()["metadata"]["bio"] == "z"
    thin = (await lead_of(client, "thin@z.io"))["lead_id"]
    assert await aliases_of(client, thin) == {("email", "thin@z.io"), ("phone", "+4912399999")}


async def test_the_list_of_errors_is_bounded_but_all_are_counted(
    client: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "RECORDS_PER_PIECE", 70)
    outcome = await imported(client, b"Email,Company\n" + b",x\n" * 150 + b"a@b.cc,y\n", **BY_MAIL)
    assert counts(outcome) == (151, 1, 0, 150)
    assert [error["line"] for error in outcome["errors"]] == list(range(2, 2 + MAX_ERRORS))


async def test_a_column_without_a_mapping_is_ignored(client: Caller) -> None:
    await imported(client, LEADS, **BY_MAIL)
    ada = await lead_of(client, "ada@example.com")
    assert (ada["metadata"], await aliases_of(client, ada["lead_id"])) == ({}, {("email", "ada@example.com")})
