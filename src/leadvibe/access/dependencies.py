"""FastAPI dependencies for the caller's scope, the required role, the transaction and repositories."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import cache
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Path, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, cookie_parser

from leadvibe.access.active_unit import NoActiveUnit, active_scope, scope_in
from leadvibe.access.authentication.callers import caller_of
from leadvibe.access.authentication.credential_cache import credential_cache
from leadvibe.access.known_callers import caller_of_request
from leadvibe.access.security_schemes import ByCredential, ByToken
from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import Forbidden, Invalid, NotAuthenticated, NotFound, problems
from leadvibe.core.http.schemas import PlainText
from leadvibe.core.scope import OrgScope, Role, Scope

T = TypeVar("T")

RawHeaders = Sequence[tuple[bytes, bytes]]

ANSWERS = problems(Invalid, NotAuthenticated, Forbidden, NotFound)
"""The errors that every operation of an OU can return: `APIRouter(responses=ANSWERS)`."""


async def _caller(request: Request) -> OrgScope:
    return await caller_of_request(request)


_Caller = Annotated[OrgScope, Depends(_caller)]


async def current_org(caller: _Caller, _by_token: ByToken, _by_credential: ByCredential) -> OrgScope:
    return caller


CurrentOrg = Annotated[OrgScope, Depends(current_org)]
"""The caller in its organization, without an OU. For a credential this is a complete `Scope`."""


async def current_member(caller: _Caller, _by_token: ByToken) -> OrgScope:
    if caller.actor.kind != "member":
        raise NotAuthenticated("This operation is for members. Send a bearer token instead of an API credential.")
    return caller


CurrentMember = Annotated[OrgScope, Depends(current_member)]
"""A member, never a program with an API credential."""


UnitHeader = Annotated[
    str | None, Header(alias="X-OU-ID", description="The OU for this request. Overrides the `activeOu` cookie.")
]


async def _active_unit(request: Request, caller: CurrentOrg, x_ou_id: UnitHeader = None) -> str | None:
    try:
        return (await active_scope(caller, x_ou_id, request.cookies)).unit_id
    except NoActiveUnit:
        return None


ActiveUnit = Annotated[str | None, Depends(_active_unit)]
"""The id of the active OU, or None if no OU is active."""


async def current_scope(request: Request, caller: CurrentOrg, x_ou_id: UnitHeader = None) -> Scope:
    return await active_scope(caller, x_ou_id, request.cookies)


CurrentScope = Annotated[Scope, Depends(current_scope)]
"""The caller in the active OU."""


async def member_scope(request: Request, caller: CurrentMember, x_ou_id: UnitHeader = None) -> Scope:
    """A member in the active OU, never a program."""
    return await active_scope(caller, x_ou_id, request.cookies)


async def path_scope(id_: Annotated[PlainText, Path(alias="id")], caller: CurrentOrg) -> Scope:
    return await scope_in(caller, id_)


PathScope = Annotated[Scope, Depends(path_scope)]
"""The caller in the OU of the path parameter `id`."""


def _require(role: Role, scope_of_request: Callable[..., Awaitable[Scope]] = current_scope) -> Any:
    async def check(scope: Annotated[Scope, Depends(scope_of_request)]) -> None:
        if not scope.role.covers(role):
            raise Forbidden(f"This operation requires the role {role} in the OU. Your role is {scope.role}.")

    return Depends(check)


async def _check_owner_or_credential(scope: Annotated[Scope, Depends(current_scope)]) -> None:
    if scope.actor.kind != "credential" and not scope.role.covers(Role.OWNER):
        raise Forbidden(
            f"This operation requires the role {Role.OWNER} in the OU, or an API credential. Your role is {scope.role}."
        )


async def _check_admin(caller: CurrentOrg) -> None:
    if not caller.admin:
        raise Forbidden("This operation requires the role admin in the organization.")


VIEWER = _require(Role.VIEWER)
OPERATOR = _require(Role.OPERATOR)
OWNER = _require(Role.OWNER)
OWNER_OR_PROGRAM = Depends(_check_owner_or_credential)
ADMIN = Depends(_check_admin)
PATH_OPERATOR = _require(Role.OPERATOR, path_scope)
PATH_OWNER = _require(Role.OWNER, path_scope)


@cache
def session_under(
    scope_of_request: Callable[..., Awaitable[OrgScope]], isolation: str | None
) -> Callable[..., AsyncGenerator[AsyncSession]]:
    """The dependency that opens the request's transaction. It is cached, so that all users of a scope share it."""

    async def session(scope: Annotated[OrgScope, Depends(scope_of_request)]) -> AsyncGenerator[AsyncSession]:
        async with transaction(scope, isolation=isolation) as opened:
            yield opened

    return session


request_session = session_under(current_scope, None)

Session = Annotated[AsyncSession, Depends(request_session, scope="function")]
"""The request's transaction. It commits before the response is sent."""


def provide(
    service: Callable[[AsyncSession, Any], T],
    *,
    scope: Callable[..., Awaitable[OrgScope]] = current_scope,
) -> Callable[..., Awaitable[T]]:
    """A dependency that builds a repository or service over the request's transaction and the caller's scope.

    The transaction has the isolation level of the class's attribute `isolation`, if it has one.
    """
    isolation: str | None = getattr(service, "isolation", None)

    async def build(
        session: Annotated[AsyncSession, Depends(session_under(scope, isolation), scope="function")],
        caller: Annotated[OrgScope, Depends(scope)],
    ) -> T:
        return service(session, caller)

    return build


async def scope_of_headers(headers: RawHeaders) -> Scope:
    """The caller in the active OU, for raw routes, which run without FastAPI's dependencies."""
    parsed = Headers(raw=list(headers))
    caller = await caller_of(parsed.get("authorization"))
    if isinstance(caller, Scope):
        return caller
    return await active_scope(caller, parsed.get("x-ou-id"), cookie_parser(parsed.get("cookie", "")))


def cached_scope(headers: RawHeaders) -> Scope | None:
    """The scope of a recently verified credential; None if the caller must be looked up in the database."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, credential = value.decode("latin-1").strip().partition(" ")
            return credential_cache.find(credential.strip()) if scheme.lower() == "basic" else None
    return None


async def scope_of(connection: HTTPConnection) -> Scope:
    return await scope_of_headers(connection.scope["headers"])
