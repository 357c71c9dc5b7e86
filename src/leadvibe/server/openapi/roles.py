"""Says which role each operation requires, as its dependencies check it."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from leadvibe.access.dependencies import (
    ADMIN,
    OPERATOR,
    OWNER,
    OWNER_OR_PROGRAM,
    PATH_OPERATOR,
    PATH_OWNER,
    VIEWER,
    current_member,
    current_scope,
    member_scope,
    path_scope,
)
from leadvibe.core.http.raw_routes import RawRoute
from leadvibe.core.scope import Role

Key = tuple[str, str]
"""Method and path of an operation."""


class Requirement(NamedTuple):
    """The role that a caller needs, as a value and as a sentence."""

    role: str | None
    sentence: str


def _in_active_ou(role: Role) -> Requirement:
    return Requirement(role, f"Requires the role {role}.")


def _in_ou_of_path(role: Role) -> Requirement:
    return Requirement(role, f"Requires the role {role} in the OU that the path names.")


REQUIREMENTS: Final = {
    ADMIN.dependency: Requirement("admin", "Requires an admin of the organization."),
    PATH_OWNER.dependency: _in_ou_of_path(Role.OWNER),
    PATH_OPERATOR.dependency: _in_ou_of_path(Role.OPERATOR),
    OWNER.dependency: _in_active_ou(Role.OWNER),
    OWNER_OR_PROGRAM.dependency: Requirement(
        Role.OWNER, f"Requires the role {Role.OWNER}; API credentials may call it, too."
    ),
    OPERATOR.dependency: _in_active_ou(Role.OPERATOR),
    VIEWER.dependency: _in_active_ou(Role.VIEWER),
    current_scope: _in_active_ou(Role.VIEWER),
    member_scope: _in_active_ou(Role.VIEWER),
    path_scope: _in_ou_of_path(Role.VIEWER),
}
"""By the dependency that checks it, the strongest first. A scope requires membership: any role covers Viewer."""

NO_ROLE: Final = Requirement(None, "Requires no particular role.")
NO_AUTHENTICATION: Final = Requirement(None, "Requires no authentication.")
MEMBERS_ONLY: Final = "Only for members: API credentials get 401."


def requirements(app: FastAPI, raw_routes: Iterable[RawRoute]) -> dict[Key, Requirement]:
    """What each operation that checks a role requires."""
    found: dict[Key, Requirement] = {}
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route, "dependant", None)
        if isinstance(dependant, Dependant) and route.path_format and route.methods:
            requirement = _requirement(set(_calls(dependant)))
            found.update({(method.lower(), route.path_format): requirement for method in route.methods})
    for route in raw_routes:
        if route.role is not None:
            found[route.method.lower(), route.path] = _in_active_ou(route.role)
    return found


def describe_role(operation: dict[str, Any], requirement: Requirement) -> None:
    """Add the role to an operation's description, and as `x-required-role`."""
    if not operation.get("security"):
        requirement = NO_AUTHENTICATION
    operation["description"] = f"{operation['description'].rstrip()}\n\n{requirement.sentence}"
    if requirement.role is not None:
        operation["x-required-role"] = str(requirement.role)


def _requirement(calls: set[Any]) -> Requirement:
    strongest = next((requirement for check, requirement in REQUIREMENTS.items() if check in calls), NO_ROLE)
    if current_member in calls:
        return Requirement(strongest.role, f"{strongest.sentence} {MEMBERS_ONLY}")
    return strongest


def _calls(dependant: Dependant) -> Iterator[Any]:
    yield dependant.call
    for dependency in dependant.dependencies:
        yield from _calls(dependency)
