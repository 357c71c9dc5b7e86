"""An event's metadata: what is accepted, and the one way in which it is written.

PostgreSQL's jsonb rewrites what it stores: `1e2` becomes `100`, `-0.0` becomes `0.0`, a repeated key is dropped. An
event is scored from what was sent and, when it is replayed, from what was stored; so on acceptance it is brought into a
form that survives being stored: a number without a fraction is written as an integer, keys are sorted and stand once.
Two metadata are equal if and only if their canonical bytes are.
"""

# Decoded JSON: values whose keys and items nothing types.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

import json
import re
from decimal import Decimal
from typing import Any, Final

import msgspec

from leadvibe.core.http.problems import Invalid, TooLarge

LARGEST: Final = 102_400
"""Bytes as sent."""
LARGEST_WRITTEN_OUT: Final = 1_048_576
"""Bytes in the canonical form, where `1e300` takes 301."""
DEEPEST: Final = 32
"""Objects and arrays inside one another, the metadata itself counted."""

_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder(order="sorted")
_NEEDS_A_LOOK = re.compile(rb"\\u0000|[0-9][.eE]")
"""Only what has a NUL, a fraction or an exponent can differ from its canonical form, or be refused."""


def read(sent: bytes) -> dict[str, Any]:
    """The metadata that was sent as JSON, every number in its canonical form; a Problem names what is wrong."""
    check_size(sent)
    return canonical(sent)


def check_size(sent: bytes | memoryview) -> None:
    if len(sent) > LARGEST:
        raise TooLarge(f"metadata: must be at most {LARGEST:,} bytes", fields={"metadata": "is too large"})


def canonical(sent: bytes) -> dict[str, Any]:
    """The same of JSON whose size as it was sent is known to be right."""
    metadata = _decode(sent)
    if not isinstance(metadata, dict):
        raise Invalid.field("metadata", "must be a JSON object")
    if sent.count(b"{") + sent.count(b"[") > DEEPEST or _NEEDS_A_LOOK.search(sent):
        metadata = _canonical(metadata, 1)
    return metadata


def write(metadata: dict[str, Any]) -> bytes:
    """Canonical JSON of what `read` returned."""
    written = _encoder.encode(metadata)
    if len(written) > LARGEST_WRITTEN_OUT:
        raise TooLarge(
            f"metadata: must be at most {LARGEST_WRITTEN_OUT:,} bytes with its numbers written out",
            fields={"metadata": "is too large"},
        )
    return written


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
    """As the standard library sees it, which lets lone surrogates through; NaN and Infinity it would, too."""
    try:
        json.loads(sent, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _canonical(value: Any, depth: int) -> Any:
    match value:
        case str():
            return _text(value)
        case float():
            # As jsonb reads it, which is not the float's exact value: 1e23 is 100000000000000000000000.
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
    if depth > DEEPEST:
        raise _too_deep()


def _too_deep() -> Invalid:
    return Invalid.field("metadata", f"must not be nested deeper than {DEEPEST} levels")
