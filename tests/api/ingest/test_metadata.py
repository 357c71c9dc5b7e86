"""PostgreSQL returns metadata exactly as it was accepted, so a replay scores the same metadata."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadvibe.ingest import metadata
from support.postgres import Postgres

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
NUMBERS = st.one_of(
    st.integers().map(str),
    st.integers(-(10**40), 10**40).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.tuples(st.integers(-999, 999), st.integers(0, 99_999), st.integers(-340, 300)).map(
        lambda parts: f"{parts[0]}.{parts[1]}e{parts[2]}"
    ),
    st.sampled_from(["-0", "-0.0", "0e0", "1e2", "1E+2", "1.10", "1e22", "1e23", "123456789012345678901.5", "5e-324"]),
)
VALUES = st.recursive(
    st.one_of(NUMBERS, TEXT.map(json.dumps), st.sampled_from(["true", "false", "null"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(TEXT, inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=12,
)
"""JSON texts as clients write them, with repeated keys, exponents and escapes."""


METADATA = st.lists(st.tuples(TEXT, VALUES), max_size=4).map(
    lambda pairs: "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in pairs) + "}"
)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sent=METADATA)
def test_jsonb_returns_exactly_what_was_accepted(postgres: Postgres, sent: str) -> None:
    accepted = metadata.read(sent.encode())
    written = metadata.write(accepted)
    returned = msgspec.json.decode(postgres._ask("SELECT $1::text::jsonb::text", written.decode()))
    assert exact(returned) == exact(accepted)
    assert metadata.write(returned) == written
    assert rounded(accepted) == rounded(msgspec.json.decode(sent))


def exact(value: Any) -> Any:
    """The value with the types of its numbers, so that 1 differs from 1.0."""
    return each_number(value, lambda number: (type(number), number))


def rounded(value: Any) -> Any:
    """The value with all numbers as floats, as most JSON parsers read them."""
    return each_number(value, float)


def each_number(value: Any, change: Callable[[Any], Any]) -> Any:
    match value:
        case dict():
            return {key: each_number(item, change) for key, item in value.items()}
        case list():
            return [each_number(item, change) for item in value]
        case bool() | str() | None:
            return value
        case _:
            return change(value)
