"""The `Prefer` request header (RFC 7240), and the responses that follow it."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends, Header, Response
from pydantic import BaseModel


def _prefers(sent: Iterable[str] | None, preference: str) -> bool:
    return any(each.split(";")[0].strip() == preference for each in ",".join(sent or ()).lower().split(","))


def _wants_count(prefer: Annotated[list[str] | None, Header()] = None) -> bool:
    return _prefers(prefer, "count=exact")


WantsCount = Annotated[bool, Depends(_wants_count)]
"""Whether the client sent `Prefer: count=exact`: a total is worth its time."""


def _wants_representation(prefer: Annotated[list[str] | None, Header()] = None) -> bool:
    return _prefers(prefer, "return=representation")


WantsRepresentation = Annotated[bool, Depends(_wants_representation)]
"""Whether the client sent `Prefer: return=representation`: then a change answers 200 with the object, else 204."""


def changed(result: BaseModel, wants_representation: bool) -> Response:
    """The answer to a PUT or PATCH."""
    if not wants_representation:
        return Response(status_code=204)
    applied = {"Preference-Applied": "return=representation"}
    return Response(result.model_dump_json(), headers=applied, media_type="application/json")
