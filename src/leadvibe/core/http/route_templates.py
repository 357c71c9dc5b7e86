"""The template of a request's route, which unlike its path contains no id or name of a person."""

from typing import Any

from starlette.types import Scope

from leadvibe.core.metrics import UNMATCHED


def route_template(scope: Scope) -> str:
    """The template of the matched route, like `/leads/{lead_id}`."""
    fastapi: dict[str, Any] = scope.get("fastapi", {})
    route = fastapi.get("effective_route_context") or scope.get("route")
    return getattr(route, "path_format", UNMATCHED)
