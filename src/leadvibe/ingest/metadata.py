"""Validates an event's metadata and converts it to its canonical form.

PostgreSQL's jsonb changes what it stores: `1e2` becomes `100`, `-0.0` becomes `0.0`, and only the last value of a
repeated key stays. An event is first scored from the metadata as sent, and later replayed from the metadata as stored.
Both must be equal, so metadata is converted on acceptance to a form that jsonb returns unchanged: numbers without a
fraction are integers, and keys are sorted and unique. Two objects are equal if and only if their canonical bytes are.
"""

# Decoded JSON: values whose keys and items nothing types.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from leadvibe.core.http.problems import Invalid, TooLarge

MAX_BYTES: Final = 102_400
"""Of the metadata as sent."""
MAX_CANONICAL_BYTES: Final = 1_048_576
"""Of the canonical form, where `1e300` takes 301 bytes."""
MAX_DEPTH: Final = 32
"""Levels of nested objects and arrays, including the metadata object itself."""

_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder(order="sorted")
_MAY_DIFFER = re.compile(rb"\\u0000|[0-9][.eE]")
"""Only JSON with a NUL, a fraction or an exponent can differ from its canonical form or be rejected."""


def read(sent: bytes) -> dict[str, Any]:
    """Decode metadata sent as JSON, with every number in its canonical form. Raises a Problem if it is not valid."""
    check_size(sent)
    return canonical(sent)


def check_size(sent: bytes | memoryview) -> None:
    if len(sent) > MAX_BYTES:
        raise TooLarge(f"metadata: must be at most {MAX_BYTES:,} bytes", fields={"metadata": "is too large"})


def canonical(sent: bytes) -> dict[str, Any]:
    """The same as `read`, without the check of the size."""
    metadata = _decode(sent)
    if not isinstance(metadata, dict):
        raise Invalid.field("metadata", "must be a JSON object")
    if sent.count(b"{") + sent.count(b"[") > MAX_DEPTH or _MAY_DIFFER.search(sent):
        metadata = _canonical(metadata, 1)
    return metadata


def write(metadata: dict[str, Any]) -> bytes:
    """Encode the result of `read` as canonical JSON."""
    encoded = _encoder.encode(metadata)
    if len(encoded) > MAX_CANONICAL_BYTES:
        raise TooLarge(
            f"metadata: must be at most {MAX_CANONICAL_BYTES:,} bytes with its numbers written in full",
            fields={"metadata": "is too large"},
        )
    return encoded


def size(metadata: Mapping[str, Any]) -> int:
    """The number of bytes of stored metadata, which may exceed the limits after a merge of leads."""
    return len(_encoder.encode(metadata))


def _decode(sent: bytes) -> Any:
    try:
        return _decoder.decode(sent)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise Invalid.field("metadata", "must be UTF-8") from None
    except msgspec.ValidationError:
        raise Invalid.field("metadata", "contains a number that is out of range") from None
    except msgspec.DecodeError:
        reason = "must be valid Unicode, without lone surrogates" if _is_json(sent) else "must be JSON"
        raise Invalid.field("metadata", reason) from None


def _is_json(sent: bytes) -> bool:
    """Whether it is JSON apart from lone surrogates, which the standard library accepts. It would accept NaN, too."""
    try:
        json.loads(sent, parse_constant=_reject)
    except (ValueError, RecursionError):
        return False
    return True


def _reject(constant: str) -> None:
    raise ValueError(constant)


def _canonical(value: Any, depth: int) -> Any:
    match value:
        case str():
            return _text(value)
        case float():
            # The same value as in jsonb, which differs from the exact float: 1e23 is 100000000000000000000000.
            return int(Decimal(repr(value))) if value.is_integer() else value
        case dict():
            _check_depth(depth)
            return {_text(key): _canonical(item, depth + 1) for key, item in value.items()}
        case list():
            _check_depth(depth)
            return [_canonical(item, depth + 1) for item in value]
        case _:
            return value


def _text(value: str) -> str:
    if "\x00" in value:
        raise Invalid.field("metadata", "must not contain NUL characters")
    return value


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _too_deep()


def _too_deep() -> Invalid:
    return Invalid.field("metadata", f"must not be nested deeper than {MAX_DEPTH} levels")
