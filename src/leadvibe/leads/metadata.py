"""A lead's metadata: free JSON within an event's limits and in its canonical form."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Request
from pydantic import AfterValidator

from leadvibe.ingest import metadata


class _Sent(msgspec.Struct):
    metadata: msgspec.Raw = msgspec.Raw()


_sent = msgspec.json.Decoder(_Sent)


async def _check_sent(request: Request) -> None:
    try:
        sent = _sent.decode(await request.body())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return  # what is wrong with the body is told by who reads it
    metadata.check_size(memoryview(sent.metadata))


async def _check_body(request: Request) -> None:
    metadata.check_size(await request.body())


AS_SENT = Depends(_check_sent)
"""Metadata in a body is measured as it was sent: models see it only after it was decoded."""
WHOLE_AS_SENT = Depends(_check_body)
"""The same where the body is the metadata."""


def stored_form(value: dict[str, Any]) -> dict[str, Any]:
    """What is stored of it; a Problem or ValueError where it can't be."""
    return metadata.read(_encoded(value))


def patched(current: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A key that was sent replaces, `null` removes, the others stay; together they may be as large as what is sent."""
    removed = {key for key, value in changes.items() if value is None}
    whole = {key: value for key, value in {**current, **changes}.items() if key not in removed}
    metadata.check_size(metadata.write(whole))
    return whole


def _form(value: dict[str, Any]) -> dict[str, Any]:
    return metadata.canonical(_encoded(value))


def _encoded(value: dict[str, Any]) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode, without lone surrogates") from None
    except ValueError:
        raise ValueError("contains a number that is out of range") from None


Metadata = Annotated[dict[str, Any], AfterValidator(_form)]
