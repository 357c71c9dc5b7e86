"""Names the operations: one stable, unique `operationId` for each method and path."""

from typing import Any, Final

from fastapi.routing import APIRoute

ALTERNATIVE_SEGMENTS: Final = frozenset({"lead", "score", "events", "me", "recent-score-gains"})
"""First path segments that mark the alternative where one operation is served at several paths."""


def unique_id(route: APIRoute) -> str:
    """FastAPI's own id of a route; `name_operations` replaces it."""
    return f"{route.name} {route.path_format}"


def base_name(operation: dict[str, Any]) -> str:
    """The name that an operation has at all of its paths: its function's name."""
    return operation["operationId"].partition(" ")[0]


def name_operations(operations: list[tuple[str, dict[str, Any]]]) -> None:
    """Set the `operationId` of each (path, operation).

    The operation's name is its id at the canonical path. An alternative path adds its first segment: `get_lead` is
    served at `/leads/{lead_id}`, `get_lead_at_lead` at `/lead/{lead_id}`.
    """
    paths: dict[str, list[str]] = {}
    for path, operation in operations:
        paths.setdefault(base_name(operation), []).append(path)
    for path, operation in operations:
        name = base_name(operation)
        operation["operationId"] = name if path == _canonical(name, paths[name]) else f"{name}_at_{_first_word(path)}"


def _canonical(name: str, paths: list[str]) -> str:
    if len(paths) == 1:
        return paths[0]
    canonical = [path for path in paths if _first_segment(path) not in ALTERNATIVE_SEGMENTS]
    if len(canonical) != 1:
        raise ValueError(f"{name} is served at {', '.join(paths)}: add the alternatives to ALTERNATIVE_SEGMENTS")
    return canonical[0]


def _first_segment(path: str) -> str:
    return path.split("/")[1]


def _first_word(path: str) -> str:
    return _first_segment(path).replace("-", "_")
