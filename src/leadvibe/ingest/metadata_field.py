"""Metadata in JSON request bodies: its pydantic type, its size limit, and merging changes into stored metadata."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Request
from pydantic import AfterValidator

from leadvibe.ingest import metadata


class _MetadataField(msgspec.Struct):
    metadata: msgspec.Raw = msgspec.Raw()


_decoder = msgspec.json.Decoder(_MetadataField)


async def _check_field_size(request: Request) -> None:
    try:
        body = _decoder.decode(await request.body())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return  # FastAPI reports the malformed body
    metadata.check_size(memoryview(body.metadata))


async def _check_body_size(request: Request) -> None:
    metadata.check_size(await request.body())


# The limit applies to the bytes that the client sent; pydantic sees only the decoded value.
LIMIT_METADATA_FIELD = Depends(_check_field_size)
"""Refuses a body whose `metadata` field is too large (413)."""
LIMIT_METADATA_BODY = Depends(_check_body_size)
"""The same for an operation whose whole body is the metadata."""


def read_metadata(value: dict[str, Any]) -> dict[str, Any]:
    """Check metadata that was not sent as JSON (a CSV row) and return its canonical form.

    Raises Problem or ValueError if it can't be stored.
    """
    return metadata.read(_encode(value))


def merge_metadata(current: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `current` with the keys of `changes` replaced, or removed where the new value is None.

    Raises TooLarge if the result exceeds the limit for metadata. Metadata that exceeds it already, because leads were
    merged, may be changed as long as it doesn't grow.
    """
    removed = {key for key, value in changes.items() if value is None}
    merged = {key: value for key, value in {**current, **changes}.items() if key not in removed}
    if metadata.size(merged) > metadata.size(current):
        metadata.check_size(metadata.write(merged))
    return merged


def _canonical(value: dict[str, Any]) -> dict[str, Any]:
    return metadata.canonical(_encode(value))


def _encode(value: dict[str, Any]) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode, without lone surrogates") from None
    except ValueError:
        raise ValueError("contains a number that is out of range") from None


Metadata = Annotated[dict[str, Any], AfterValidator(_canonical)]
"""A metadata object in its canonical form."""
