"""The validation of events: an error names the field."""

import json
from typing import Any

import msgspec
import pytest

from leadvibe.core.http.problems import Invalid, Problem, TooLarge
from leadvibe.identity.aliases import Identifier
from leadvibe.ingest import metadata
from leadvibe.ingest.inbox import AcceptedEvent
from leadvibe.ingest.validation import read_event


def event(**fields: Any) -> AcceptedEvent:
    return read_event(json.dumps({"event_type": "signup", "lead_id": "ada", **fields}).encode()).event


def rejected(body: bytes | str, problem: type[Problem] = Invalid) -> str:
    with pytest.raises(problem) as caught:
        read_event(body.encode() if isinstance(body, str) else body)
    assert type(caught.value) is problem
    assert caught.value.fields
    return caught.value.detail


def rejected_event(**fields: Any) -> str:
    return rejected(json.dumps({"event_type": "signup", "lead_id": "ada", **fields}))


def with_metadata(text: str) -> str:
    return '{"event_type": "signup", "lead_id": "ada", "metadata": ' + text + "}"


def metadata_of(text: str) -> bytes:
    return read_event(with_metadata(text).encode()).event.metadata


def test_an_event_needs_a_type_and_a_lead_and_nothing_else() -> None:
    assert event() == AcceptedEvent("signup", "ada", [], None, b"{}", None, None)


def test_a_whole_event_is_read() -> None:
    read = event(
        aliases=[{"alias_kind": "email", "raw_value": " Ada@Example.com"}],
        timestamp="2025-08-15T14:00:00.25+02:00",
        metadata={"channel": " Email ", "amount": 2},
        idempotency_key="order-7",
    )
    assert read == AcceptedEvent(
        event_type="signup",
        lead_id="ada",
        aliases=[Identifier("email", "ada@example.com", " Ada@Example.com")],
        timestamp=1_755_259_200_250_000,
        metadata=b'{"amount":2,"channel":" Email "}',
        channel="email",
        idempotency_key="order-7",
    )


def test_fields_that_are_null_were_not_sent() -> None:
    nothing = dict.fromkeys(("aliases", "alias", "alias_kind", "timestamp", "metadata", "idempotency_key"))
    assert event(**nothing) == event()


def test_unknown_fields_are_ignored() -> None:
    assert event(unit_id="unit_of_others", colour={"any": ["thing"]}) == event()


def test_an_event_type_is_trimmed_and_keeps_its_case() -> None:
    assert event(event_type="  Page View ").event_type == "Page View"


@pytest.mark.parametrize("event_type", ["", "   ", "a\nb", "a\u0000b", "a" * 201, "a\u0085b"])
def test_an_event_type_that_is_not_one_line_of_text_is_rejected(event_type: str) -> None:
    assert rejected_event(event_type=event_type).startswith("event_type: ")


@pytest.mark.parametrize("lead_id", ["", "a/b", "..", "a\u0000b", "a" * 201])
def test_a_lead_id_that_cannot_be_part_of_a_path_is_rejected(lead_id: str) -> None:
    assert rejected_event(lead_id=lead_id).startswith("lead_id: ")


def test_an_event_without_any_identifier_is_rejected() -> None:
    assert rejected('{"event_type": "signup"}').startswith("lead_id: ")
    assert rejected('{"event_type": "signup", "aliases": []}').startswith("lead_id: ")


@pytest.mark.parametrize(
    ("kind", "raw_value", "value"),
    [
        ("email", " Ada@EXAMPLE.com ", "ada@example.com"),
        ("phone", "+49 (151) 123-45", "+4915112345"),
        ("phone", "4915112345", "4915112345"),
        ("external_id", " CRM-7 ", "CRM-7"),
        ("cookie", "aB3", "aB3"),
        ("social", "@Ada ", "@Ada"),
    ],
)
def test_aliases_are_normalized(kind: str, raw_value: str, value: str) -> None:
    aliases = event(aliases=[{"alias_kind": kind, "raw_value": raw_value}]).aliases
    assert [(alias.kind, alias.value, alias.raw_value) for alias in aliases] == [(kind, value, raw_value)]


def test_aliases_are_distinct_and_the_strongest_comes_first() -> None:
    values = {"email": "a@b.co", "phone": "+49 30 1234567"}
    kinds = ["cookie", "email", "external_id", "phone", "social", "email"]
    aliases = event(aliases=[{"alias_kind": kind, "raw_value": values.get(kind, "7")} for kind in kinds]).aliases
    assert [alias.kind for alias in aliases] == ["external_id", "email", "phone", "social", "cookie"]


def test_the_deprecated_pair_of_fields_is_an_alias() -> None:
    read = read_event(b'{"event_type": "signup", "alias_kind": "email", "alias": "A@b.co"}').event
    assert read.aliases == [Identifier("email", "a@b.co", "A@b.co")]


def test_half_of_the_deprecated_pair_is_rejected() -> None:
    assert rejected_event(alias="a@b.c").startswith("alias_kind: ")
    assert rejected_event(alias_kind="email").startswith("alias: ")


@pytest.mark.parametrize(
    ("alias", "field"),
    [
        (
            {"alias_kind": "fax", "raw_value": "7"},
            "aliases.0.alias_kind: 'fax' is not one of external_id, email, phone",
        ),
        ({"alias_kind": "email", "raw_value": "  "}, "aliases.0.raw_value: must not be empty"),
        ({"alias_kind": "phone", "raw_value": "no digits"}, "aliases.0.raw_value: must be one phone number"),
        (
            {"alias_kind": "email", "raw_value": "a\u0000"},
            "aliases.0.raw_value: must not contain control or invisible characters (U+0000)",
        ),
        ({"alias_kind": "email", "raw_value": "a" * 501}, "aliases.0.raw_value: must be at most 500"),
        ({"alias_kind": "email", "raw_value": 7}, "aliases.0.raw_value: expected str, got int"),
        ({"alias_kind": "email"}, "aliases.0.raw_value: is required"),
        ({"raw_value": "7"}, "aliases.0.alias_kind: is required"),
        ("a@b.c", "aliases.0: expected object, got str"),
    ],
)
def test_an_invalid_alias_is_reported_by_its_position(alias: object, field: str) -> None:
    assert rejected_event(aliases=[alias]).startswith(field)


def test_more_than_50_aliases_are_rejected() -> None:
    many = [{"alias_kind": "cookie", "raw_value": f"c{number}"} for number in range(51)]
    assert rejected_event(aliases=many).startswith("aliases: ")
    assert len(event(aliases=many[:50]).aliases) == 50


@pytest.mark.parametrize(
    "timestamp",
    ["2025-08-15T12:00:00", "2025-08-15", "yesterday", "", "2025-02-30T12:00:00Z", "0001-01-01T00:00:00+10:00"],
)
def test_a_timestamp_without_a_zone_or_with_an_invalid_date_is_rejected(timestamp: str) -> None:
    assert rejected_event(timestamp=timestamp).startswith("timestamp: ")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"event_type": 7}, "event_type: expected str, got int"),
        ({"event_type": None}, "event_type: expected str, got null"),
        ({"lead_id": ["ada"]}, "lead_id: expected str | null, got array"),
        ({"aliases": {}}, "aliases: expected array | null, got object"),
        ({"timestamp": 1755259200}, "timestamp: expected str | null, got int"),
        ({"metadata": ["a"]}, "metadata: must be a JSON object"),
        ({"metadata": "text"}, "metadata: must be a JSON object"),
        ({"idempotency_key": 7}, "idempotency_key: expected str | null, got int"),
        ({"idempotency_key": ""}, "idempotency_key: must not be empty"),
        ({"idempotency_key": "k" * 201}, "idempotency_key: must be at most 200 characters"),
    ],
)
def test_a_wrong_type_is_reported_by_the_name_of_the_field(fields: dict[str, Any], field: str) -> None:
    assert rejected_event(**fields).startswith(field)


def test_a_missing_event_type_is_reported() -> None:
    assert rejected('{"lead_id": "ada"}') == "event_type: is required"


@pytest.mark.parametrize("body", ["", "{", "nonsense", '{"event_type": "a"} {}', "[]", "7", "null", b"\xff\xfe"])
def test_a_body_that_is_not_a_json_object_is_rejected(body: str | bytes) -> None:
    assert rejected(body).startswith("body: ")


def test_deep_nesting_is_rejected_in_every_field() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert rejected(f'{{"event_type": "a", "lead_id": "b", "other": {deep}}}') == "body: is nested too deeply"
    assert rejected(f'{{"event_type": "a", "lead_id": {deep}}}').startswith(("body: ", "lead_id: "))


@pytest.mark.parametrize("field", ["event_type", "lead_id", "metadata", "alias"])
def test_a_lone_surrogate_is_reported_by_the_name_of_the_field(field: str) -> None:
    value = '{"a": ["\\ud800"]}' if field == "metadata" else '"\\udc00 "'
    sent = {"event_type": '"a"', "lead_id": '"b"', field: value}
    body = "{" + ", ".join(f'"{name}": {text}' for name, text in sent.items()) + "}"
    assert rejected(body).startswith(f"{field}: ")


def test_a_lone_surrogate_in_a_metadata_key_is_rejected() -> None:
    assert rejected(with_metadata('{"\\ud800": 1}')).startswith("metadata: ")


@pytest.mark.parametrize("text", ['{"a": "\\u0000"}', '{"\\u0000": 1}', '{"a": [{"b": "x\\u0000"}]}'])
def test_nul_anywhere_in_the_metadata_is_rejected(text: str) -> None:
    assert rejected(with_metadata(text)) == "metadata: must not contain NUL characters"


def test_an_escaped_backslash_before_u0000_is_not_a_nul() -> None:
    assert metadata_of('{"a": "\\\\u0000"}') == b'{"a":"\\\\u0000"}'


def test_metadata_that_is_not_utf8_is_rejected() -> None:
    assert rejected(with_metadata('{"a": "X"}').encode().replace(b"X", b"\xff")).startswith("metadata: ")


def nested(levels: int) -> str:
    return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)


def test_metadata_that_is_not_json_is_rejected() -> None:
    with pytest.raises(Problem, match="metadata: must be JSON"):
        metadata.read(b"x")


def test_a_leap_second_is_the_last_microsecond_of_its_minute() -> None:
    leap = event(timestamp="2016-12-31T23:59:60Z")
    assert leap.timestamp == event(timestamp="2016-12-31T23:59:59.999999Z").timestamp


def test_metadata_can_be_nested_32_levels_deep() -> None:
    assert metadata_of(nested(32)) == nested(32).encode()
    assert rejected(with_metadata(nested(33))) == "metadata: must not be nested deeper than 32 levels"
    assert rejected(with_metadata(nested(100_000))) == "body: is nested too deeply"


def test_many_lists_side_by_side_are_not_deep() -> None:
    text = '{"a":[' + ",".join(["[]"] * 100) + "]}"
    assert metadata_of(text) == text.encode()


def test_metadata_can_have_100_kilobytes_as_sent() -> None:
    fitting = '{"a": "' + "x" * (102_400 - 9) + '"}'
    assert len(fitting) == 102_400
    assert len(metadata_of(fitting)) == 102_399  # one space less
    assert rejected(with_metadata(fitting.replace(": ", ":  ")), TooLarge).startswith("metadata: ")


@pytest.mark.parametrize("number", ["1e200000", "-1e400", "1" * 5000, "1" * 400 + ".5"])
def test_a_number_out_of_range_is_rejected(number: str) -> None:
    assert rejected(with_metadata(f'{{"a": {number}}}')) == "metadata: contains a number that is out of range"


def test_numbers_that_are_too_long_in_canonical_form_are_rejected() -> None:
    numbers = ",".join(["1e300"] * 10_000)
    assert rejected(with_metadata(f'{{"a": [{numbers}]}}'), TooLarge).startswith("metadata: ")


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("1e2", "100"),
        ("1.0", "1"),
        ("-0.0", "0"),
        ("-0", "0"),
        ("1.50", "1.5"),
        ("1E5", "100000"),
        ("1e23", "1" + "0" * 23),
        ("1e-400", "0"),
        ("1e-7", "1e-7"),
        ("9" * 300, "9" * 300),
        ("18446744073709551616", "18446744073709551616"),
        ("0.1000000000000000055", "0.1"),
    ],
)
def test_numbers_have_one_canonical_form(sent: str, written: str) -> None:
    assert metadata_of(f'{{"n": {sent}}}') == f'{{"n":{written}}}'.encode()


def test_keys_are_sorted_and_the_last_of_repeated_keys_wins() -> None:
    assert metadata_of('{"b": 1, "a": {"d": 1, "c": 2}, "b": 3}') == b'{"a":{"c":2,"d":1},"b":3}'


@pytest.mark.parametrize(
    ("metadata", "channel"),
    [
        ({"channel": "WEB"}, "web"),
        ({"channel": "  "}, None),
        ({"channel": 7}, None),
        ({"channel": "x" * 100}, "x" * 100),
        ({"channel": "x" * 101}, None),
        ({"channel": None}, None),
        ({"source": " Webinar "}, "webinar"),
        ({"source": 7}, None),
        ({"source": ["web"]}, None),
        ({"source": "x" * 101}, None),
        ({"source": "System"}, "system"),
        ({"channel": "Email", "source": "crm"}, "email"),
        ({"channel": "", "source": "crm"}, "crm"),
        ({"channel": " ", "source": ""}, None),
        ({"channel": 7, "source": "crm"}, "crm"),
        ({"channel": None, "source": "crm"}, "crm"),
        ({"channel": "x" * 101, "source": "crm"}, "crm"),
        ({"channel": ["email"], "source": {"name": "crm"}}, None),
        ({"Channel": "web", "utm_source": "ad", "medium": "email"}, None),
        ({}, None),
    ],
)
def test_the_channel_is_metadata_channel_or_source(metadata: dict[str, Any], channel: str | None) -> None:
    assert event(metadata=metadata).channel == channel


def test_a_sent_decay_event_has_the_channel_system() -> None:
    read = event(event_type="DECAY", metadata={"channel": "web", "a": 1})
    assert (read.channel, read.metadata) == ("system", b'{"a":1,"channel":"system"}')
    assert event(event_type="DECAY", metadata={"source": "crm"}).channel == "system"


def test_the_default_key_is_used_if_the_event_has_none() -> None:
    assert read_event(b'{"event_type": "a", "lead_id": "b"}', default_key="k").event.idempotency_key == "k"
    own = b'{"event_type": "a", "lead_id": "b", "idempotency_key": "own"}'
    assert read_event(own, default_key="k").event.idempotency_key == "own"


def test_an_accepted_event_survives_encoding_and_decoding() -> None:
    from leadvibe.ingest.inbox import decode, encode

    read = event(aliases=[{"alias_kind": "email", "raw_value": "a@b.c"}], metadata={"a": [1, 2.5, "ä"]})
    assert decode(encode(read)) == read
    assert msgspec.json.decode(read.metadata) == {"a": [1, 2.5, "ä"]}


def test_an_empty_event_id_is_no_key() -> None:
    assert event(event_id=" ").idempotency_key is None
    assert event(event_id=None).idempotency_key is None
    assert event(event_id=7).idempotency_key == "7"


@pytest.mark.parametrize("event_id", [0, "undefined", "null"])
def test_a_placeholder_is_no_event_id(event_id: object) -> None:
    # As a key it would make all later events repeats of the first.
    with pytest.raises(Invalid) as problem:
        event(event_id=event_id)
    assert problem.value.fields.keys() == {"event_id"}
