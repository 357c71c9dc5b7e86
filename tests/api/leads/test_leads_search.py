"""Finding leads by id and alias."""

import unicodedata
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from leadvibe.leads import search
from support.callers import Caller
from support.make import Make

Drain = Callable[[], Awaitable[None]]


def known_as(lead_id: str, **aliases: str) -> dict[str, Any]:
    named = [{"alias_kind": kind, "raw_value": value} for kind, value in aliases.items()]
    return {"lead_id": lead_id, "aliases": named}


async def found(client: Caller, q: str) -> list[tuple[str, str, str | None]]:
    response = await client.get("/leads/search", params={"q": q})
    assert response.status_code == 200, response.text
    return [(match["id"], match["match_type"], match["best_alias"]) for match in response.json()]


@pytest.fixture
async def people(make: Make, drain: Drain) -> None:
    await make.events(
        known_as("Jane-1", cookie="ck-1", email="Jane@Example.com"),
        known_as("john", external_id="crm-JANE", phone="+49 30 1234567"),
        known_as("jack", email="jack@other.example"),
        known_as("50%_off", cookie="half"),
    )
    await drain()


async def test_a_match_contains_the_lead_and_its_alias(client: Caller, people: None) -> None:
    response = await client.get("/leads/search", params={"q": "example.com"})
    assert response.json() == [
        {
            "id": "Jane-1",
            "lead_id": "Jane-1",
            "match_type": "alias",
            "best_alias": "jane@example.com",
            "engagement_level": None,
            "profile_level": None,
        }
    ]


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("jane", [("Jane-1", "id", "jane@example.com"), ("john", "alias", "crm-JANE")]),
        (
            "JA",
            [("jack", "id", "jack@other.example"), ("Jane-1", "id", "jane@example.com"), ("john", "alias", "crm-JANE")],
        ),
        ("ane-1", []),
        ("1234", [("john", "alias", "crm-JANE")]),
        ("CK-1", [("Jane-1", "alias", "jane@example.com")]),
        ("other", [("jack", "alias", "jack@other.example")]),
        ("50%", [("50%_off", "id", "half")]),
        ("%_", []),
        ("0_", []),
        ("j", []),
        ("", []),
        (" j ", []),
    ],
)
async def test_ids_match_at_their_start_and_aliases_anywhere(
    client: Caller, q: str, expected: list[tuple[str, str, str | None]]
) -> None:
    assert await found(client, q) == expected


async def test_a_lead_without_aliases_is_found_by_its_id(client: Caller, make: Make) -> None:
    await make.lead("lonely")
    assert await found(client, "lone") == [("lonely", "id", None)]


async def test_non_ascii_letters_match_too(client: Caller, make: Make, drain: Drain) -> None:
    await make.event(lead_id="1", aliases=[{"alias_kind": "email", "raw_value": "Ünal@example.com"}])
    await make.lead("Ärger")
    await drain()
    assert await found(client, "ÜN") == await found(client, "ün") == [("1", "alias", "Ünal@example.com")]
    assert await found(client, "ÄR") == [("Ärger", "id", None)]


async def test_at_most_ten_are_found_by_id_first(client: Caller, make: Make, drain: Drain) -> None:
    await make.events(
        *(known_as(f"xx-{n}", cookie=f"xx-{n}") for n in range(6)),
        *(known_as(f"y-{n}", cookie=f"xx-{n}y") for n in range(8)),
    )
    await drain()
    matches = await found(client, "xx")
    assert [match_type for _, match_type, _ in matches] == ["id"] * 6 + ["alias"] * 4
    assert [lead_id for lead_id, _, _ in matches] == [*(f"xx-{n}" for n in range(6)), *(f"y-{n}" for n in range(4))]


@pytest.mark.usefixtures("people")
async def test_a_search_for_a_merged_lead_finds_its_target(client: Caller) -> None:
    await client.post("/leads/merge", json={"targetLeadId": "john", "sourceLeadIds": ["jack"]})
    assert await found(client, "jack") == [("john", "id", "jack@other.example")]


@pytest.fixture(params=[1, 2, search.SAMPLE_SIZE], ids=lambda size: f"a sample of {size}")
def sample(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The results must not depend on the size of the sample."""
    monkeypatch.setattr(search, "SAMPLE_SIZE", request.param)


@pytest.mark.usefixtures("people", "sample")
@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("example", ["Jane-1", "jack"]),
        ("MPLE.c", ["Jane-1"]),
        ("rm-", ["john"]),
        ("m-", ["john"]),
        ("@o", ["jack"]),
        ("exam le", []),
        ("xampel", []),
    ],
)
async def test_an_alias_that_contains_the_query_is_found(client: Caller, q: str, expected: list[str]) -> None:
    assert sorted(lead_id for lead_id, _, _ in await found(client, q)) == sorted(expected)


@pytest.mark.usefixtures("sample")
async def test_an_alias_that_starts_with_the_query_comes_before_one_that_contains_it(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.events(
        *(known_as(f"first-{n}", cookie=f"a-needle-{n}") for n in range(9)),
        known_as("second", cookie="needle"),
        known_as("third", cookie="zz needle"),
        known_as("fourth", cookie="zz needle too"),
    )
    await drain()
    assert [lead_id for lead_id, _, _ in await found(client, "needle")] == [
        "second",
        *(f"first-{n}" for n in range(9)),
    ]


async def test_a_lead_with_several_matching_aliases_is_found_once(client: Caller, make: Make, drain: Drain) -> None:
    await make.events(*(known_as("one", cookie=f"same-{n}") for n in range(12)), known_as("other", cookie="same-99"))
    await drain()
    assert [lead_id for lead_id, _, _ in await found(client, "same")] == ["one", "other"]


@pytest.mark.usefixtures("people")
async def test_each_ou_finds_its_own_leads(neighbour: Caller, stranger: Caller) -> None:
    assert await found(neighbour, "jane") == []
    assert await found(stranger, "jane") == []


async def test_a_search_without_a_query_is_refused_and_a_lead_called_search_is_read_in_the_singular(
    client: Caller, make: Make
) -> None:
    response = await client.get("/leads/search")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "q")
    assert (await client.get("/leads/search", params={"q": "a\x00b"})).status_code == 400
    await make.lead("search")
    assert (await client.get("/lead/search")).json()["lead_id"] == "search"


async def test_one_lead_with_many_aliases_hides_no_other_lead(
    client: Caller, make: Make, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "ALIASES_PER_QUERY", 3)
    await make.events(*(known_as("many", cookie=f"track-{n}") for n in range(9)))
    await make.events(known_as("other", cookie="track-x"), known_as("third", cookie="track-y"))
    await drain()
    for q in ("track-", "rack-"):
        # Of the leads that contain the text, any may be found first.
        assert sorted(lead_id for lead_id, _, _ in await found(client, q)) == ["many", "other", "third"]


@pytest.mark.parametrize("q", ["müller", "MÜLLER", "Müller", "mÜLLER"])
async def test_non_ascii_letters_match_in_upper_and_lower_case(
    client: Caller, make: Make, drain: Drain, q: str
) -> None:
    await make.events(known_as("a", external_id="MÜLLER-7"), known_as("b", external_id="müller-8"), known_as("Müller"))
    await drain()
    assert {lead_id for lead_id, _, _ in await found(client, q)} == {"a", "b", "Müller"}


@pytest.mark.parametrize(
    ("stored", "queries"),
    [
        ("Ünï-7", ["ünï", "ÜNÏ", "Ünï", "ünÏ", "nï-7", "NÏ-", "u\u0308n"]),
        ("ÜNÏ", ["ünï", "üNï", "nï"]),
        ("Петров-Водкин", ["петров-водкин", "ПЕТРОВ-ВОДКИН", "водкин", "Петров-ВОД"]),
        ("ΟΔΥΣΣΕΥΣ", ["οδυσ", "οδυσσευς", "ΟΔΥΣ", "σσε"]),
        ("Straße 5", ["STRASSE 5", "straße", "ASSE"]),
    ],
)
@pytest.mark.parametrize("as_id", [True, False])
async def test_every_letter_matches_in_either_case(
    client: Caller, make: Make, drain: Drain, stored: str, queries: list[str], *, as_id: bool
) -> None:
    await make.event(**known_as(stored) if as_id else known_as("1", external_id=stored))
    await drain()
    for q in queries:
        is_start = stored.casefold().startswith(unicodedata.normalize("NFC", q).casefold())
        expected = [(stored, "id", None)] if as_id else [("1", "alias", stored)]
        assert await found(client, q) == (expected if is_start or not as_id else []), q


async def test_a_lead_created_by_hand_is_found_in_any_case_and_so_is_its_id_after_a_merge(
    client: Caller, make: Make
) -> None:
    await make.lead("Ärger")
    assert await found(client, "ÄRG") == [("Ärger", "id", None)]
    await make.lead("target")
    await client.post("/leads/merge", json={"targetLeadId": "target", "sourceLeadIds": ["Ärger"]})
    assert await found(client, "ärG") == [("target", "id", None)]


PHONES = {
    "german": "+49 151 12345678",
    "american": "+1 212 555 1234",
    "local": "0151 999 888",
    "number": "1511234567",
    "russian": "+7 916 123 45 67",
}


@pytest.fixture
async def callers(make: Make, drain: Drain) -> None:
    await make.events(*(known_as(lead_id, phone=number) for lead_id, number in PHONES.items()))
    await make.event(**known_as("customer", external_id="15112345"))
    await drain()


@pytest.mark.usefixtures("callers", "sample")
@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("+49 (151) 123-45", ["german"]),
        ("+49(0)151/123", ["german"]),
        ("0049151", ["german"]),
        ("(0049) 151 123", ["german"]),
        ("00 49 151", ["german"]),
        ("tel 0049", []),
        ("+49 152", []),
        ("(151)", ["german", "local", "number"]),
        ("151-123-45", ["german", "number"]),
        ("0151", ["german", "local"]),
        ("0151/12345", ["german"]),
        ("0151 999", ["local"]),
        ("0555", []),  # not after the country code
        ("(212) 555-1234", ["american"]),
        ("0212 555", ["american"]),
        ("+1 212.555", ["american"]),
        ("15112345", ["customer", "german", "number"]),
        ("12 34", ["american", "german", "number", "russian"]),
        ("()-./", []),
        ("(1)", []),
    ],
)
async def test_a_phone_number_is_found_as_it_is_written(client: Caller, q: str, expected: list[str]) -> None:
    assert sorted(lead_id for lead_id, _, _ in await found(client, q)) == expected


@pytest.mark.usefixtures("callers")
@pytest.mark.parametrize(
    ("region", "q", "expected"),
    [
        ("DE", "0151 123", ["german"]),
        ("DE", "0151", ["german", "local"]),
        ("DE", "0212", []),
        ("US", "1 (212) 555", ["american"]),
        ("US", "0151 123", []),
        ("US", "(212) 555", ["american"]),
        ("RU", "8 (916) 123", ["russian"]),
    ],
)
async def test_the_phone_region_of_the_ou_decides_what_a_local_number_means(
    client: Caller, make: Make, region: str, q: str, expected: list[str]
) -> None:
    await make.phone_region(client.unit_id, region)
    assert sorted(lead_id for lead_id, _, _ in await found(client, q)) == expected


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("q", [" jane ", "\u00a0JANE\u3000", "jane\t"])
async def test_white_space_around_the_query_does_not_count(client: Caller, q: str) -> None:
    assert [lead_id for lead_id, _, _ in await found(client, q)] == ["Jane-1", "john"]


@pytest.mark.parametrize("q", ["ja\u200bne", "\ufeffjane", "ja\u0007ne", "jane\x00"])
async def test_a_query_with_invisible_characters_is_refused(client: Caller, q: str) -> None:
    response = await client.get("/leads/search", params={"q": q})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "q")
    assert "invisible" in response.json()["detail"]
