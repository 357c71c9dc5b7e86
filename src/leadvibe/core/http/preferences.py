"""The `Prefer` request header (RFC 7240) and the responses that depend on it."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends, Header, Response
from pydantic import BaseModel

_CountPreference = Annotated[
    list[str] | None, Header(description="`count=exact` adds the header `X-Total-Count` to the response")
]
_ReturnPreference = Annotated[
    list[str] | None,
    Header(description="`return=representation` returns the changed object with status 200 instead of 204"),
]


def _prefers(sent: Iterable[str] | None, preference: str) -> bool:
    return any(value.split(";")[0].strip() == preference for value in ",".join(sent or ()).lower().split(","))


def _wants_count(prefer: _CountPreference = None) -> bool:
    return _prefers(prefer, "count=exact")


WantsCount = Annotated[bool, Depends(_wants_count)]
"""Whether the client sent `Prefer: count=exact`, because counting takes time."""


def _wants_representation(prefer: _ReturnPreference = None) -> bool:
    return _prefers(prefer, "return=representation")


WantsRepresentation = Annotated[bool, Depends(_wants_representation)]
"""Whether the client sent `Prefer: return=representation`, to get the changed object."""


def changed(result: BaseModel, wants_representation: bool) -> Response:
    """The response to a PUT or PATCH: 200 with the object if the client wants it, else 204."""
    if not wants_representation:
        return Response(status_code=204)
    applied = {"Preference-Applied": "return=representation"}
    return Response(result.model_dump_json(), headers=applied, media_type="application/json")
