"""The gate for identifiers: what is the same identifier, what is a placeholder, and what is refused."""

import pytest

from leadvibe.identity import emails
from leadvibe.identity.aliases import STRENGTH, AliasKind, normalize
from leadvibe.identity.identifiers import (
    PLACEHOLDERS,
    PlaceholderIdentifier,
    clean_identifier,
    read_id,
    read_new_lead_id,
)


@pytest.mark.parametrize("value", [" 42", "42 ", "\u00a042\u3000", "\t42\n"])
def test_surrounding_white_space_is_removed(value: str) -> None:
    assert read_new_lead_id(value) == read_id(value) == normalize("external_id", value) == "42"


def test_two_unicode_forms_of_a_text_are_one_identifier() -> None:
    assert read_id("e\u0301") == read_new_lead_id("\u00e9") == normalize("cookie", "e\u0301") == "\u00e9"


def test_a_long_text_is_refused_before_it_is_normalized() -> None:
    """Normalization takes time in the square of the length of such a run."""
    marks = "a" + "\u0315\u0300\u0327" * 1_000_000
    with pytest.raises(ValueError, match="must be at most 1000 characters"):
        clean_identifier(marks)


@pytest.mark.parametrize("character", ["\u0000", "\u0007", "\u007f", "\u200b", "\u2060", "\ufeff", "\u00ad", "\u202e"])
def test_control_and_invisible_characters_are_refused_in_every_identifier(character: str) -> None:
    for place in (f"a{character}b", f"{character}ab", f"ab{character}"):
        for read in (read_id, read_new_lead_id):
            with pytest.raises(ValueError, match="invisible"):
                read(place)
        for kind in STRENGTH:
            with pytest.raises(ValueError, match="invisible"):
                normalize(kind, place)


@pytest.mark.parametrize("value", sorted(PLACEHOLDERS))
def test_a_placeholder_is_no_identifier_in_any_case(value: str) -> None:
    for spelling in (value, value.upper(), f" {value.title()} "):
        for read in (read_id, read_new_lead_id):
            with pytest.raises(PlaceholderIdentifier):
                read(spelling)
        for kind in STRENGTH:
            with pytest.raises(PlaceholderIdentifier):
                normalize(kind, spelling)


@pytest.mark.parametrize("value", ["00", "nulls", "no", "n", "_", "00000000-0000-0000-0000-000000000001"])
def test_a_value_that_only_resembles_a_placeholder_is_an_identifier(value: str) -> None:
    assert read_new_lead_id(value) == normalize("external_id", value) == value


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("Ada@X.com", "ada@x.com"),
        ("ada@x.com.", "ada@x.com"),
        (" ada@x.com ", "ada@x.com"),
        ("ada@b\u00fccher.de", "ada@xn--bcher-kva.de"),
        ("ada@B\u00dcCHER.de", "ada@xn--bcher-kva.de"),
        ("ada@xn--bcher-kva.de", "ada@xn--bcher-kva.de"),
        ("\u00dcnal@x.com", "\u00dcnal@x.com"),
        ("O'Hara@x.com", "o'hara@x.com"),
        ("ada@x.test", "ada@x.test"),
        ("ada@localhost", "ada@localhost"),
        ("ada@mail.local", "ada@mail.local"),
        ("ada+tag@x.example", "ada+tag@x.example"),
    ],
)
def test_an_e_mail_address_has_one_form(sent: str, value: str) -> None:
    assert normalize("email", sent) == value


@pytest.mark.parametrize(
    ("sent", "hint"),
    [
        ("a@x.com; b@x.com", "each address as an alias of its own"),
        ("a@x.com, b@x.com", "each address as an alias of its own"),
        ("Ada <ada@x.com>", "the address alone"),
        ("ada@", "like ada@example.com"),
        ("@x.com", "like ada@example.com"),
        ("not an address", "like ada@example.com"),
        ("7", "like ada@example.com"),
        ("a..b@x.com", "like ada@example.com"),
        ("ada@x.com..", "like ada@example.com"),
        ("mailto:ada@x.com", "like ada@example.com"),
        ("\u212aate@x.com", "U\\+212A"),
        ("kate@x\u212a.com", "U\\+212A"),
    ],
)
def test_a_text_that_is_not_one_e_mail_address_is_refused_with_a_hint(sent: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        normalize("email", sent)


@pytest.mark.parametrize("sent", ["ada@x.com", "a.b-c_d+e@mail.x-y.example", "0@0.aa", "-@a.bc"])
def test_the_fast_path_for_plain_addresses_gives_the_same(sent: str) -> None:
    assert emails.normalize_email(sent) == emails._normalize(sent)


GERMAN = (
    "+49 151 12345678",
    "+4915112345678",
    "0049 151 12345678",
    "+49 (0) 151 12345678",
    "+49 (151) 123-45678",
    "+49151/123.456.78",
    "(0049) 151 12345678",
    "tel:+49-151-12345678",
    "\uff0b4915112345678",
)
AMERICAN = (
    "+1 212 555 1234",
    "0012125551234",
    "+1 (212) 555-1234 ext. 89",
    "+1 212 555 1234 x89",
    "+1-212-555-1234;ext=89",
    "001 212 555 1234 Ext 89",
    "+1 212\u2011555\u20111234",
)


def test_sixteen_spellings_of_two_phone_numbers_are_two_identifiers() -> None:
    assert len({*GERMAN, *AMERICAN}) == 16
    assert {normalize("phone", sent) for sent in GERMAN} == {"+4915112345678"}
    assert {normalize("phone", sent) for sent in AMERICAN} == {"+12125551234"}


FULL_WIDTH = {ord(character): ord(character) + 0xFEE0 for character in "+0123456789()/-#.;extx"}


@pytest.mark.parametrize("sent", [*GERMAN, *AMERICAN])
@pytest.mark.parametrize("zero", ["\u0660", "\u0966", "\u0e50", "\U0001d7ce", "\uff10"])
def test_digits_of_any_script_are_digits(sent: str, zero: str) -> None:
    digits = {ord("0") + value: ord(zero) + value for value in range(10)}
    usual = normalize("phone", sent)
    assert normalize("phone", sent.translate(digits)) == usual
    assert normalize("phone", sent.translate(FULL_WIDTH)) == usual


@pytest.mark.parametrize("sent", ["0151 12345678", "(0151) 123 456 78", "+49 151 12345678"])
def test_a_local_phone_number_gets_its_country_from_the_ou(sent: str) -> None:
    assert normalize("phone", sent, "DE") == "+4915112345678"


def test_a_local_phone_number_without_a_region_has_no_plus() -> None:
    assert normalize("phone", "(0151) 123-45678 ext 3") == "015112345678"


@pytest.mark.parametrize("region", [None, "DE", "US"])
@pytest.mark.parametrize(
    "sent",
    [
        "4.91512E+11",
        "4,9E+11",
        "4915112345678.0",
        "1234",
        "+49",
        "1234567890123456",
        "+4912345678901234567",
        "no digits",
        "+49 151 12345678; +49 151 12345679",
        "+49 151 12345678 / +49 151 12345679",
        "+0151 12345678",
    ],
)
def test_a_text_that_is_not_one_phone_number_is_refused(sent: str, region: str | None) -> None:
    with pytest.raises(ValueError, match=r"must|spreadsheet"):
        normalize("phone", sent, region)


@pytest.mark.parametrize("kind", STRENGTH)
def test_a_normalized_identifier_stays_the_same(kind: AliasKind) -> None:
    for sent in ("ada@b\u00fccher.de.",) if kind == "email" else (*GERMAN, *AMERICAN, "0151 12345678"):
        value = normalize(kind, sent)
        assert normalize(kind, value) == value
