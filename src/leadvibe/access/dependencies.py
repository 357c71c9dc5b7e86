"""What a route asks for: the caller's scope, a role, a transaction, a repository."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import cache
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Path, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, cookie_parser

from leadvibe.access.active import active_scope, scope_in
from leadvibe.access.callers import caller_of
from leadvibe.access.schemes import ByCredential, ByToken
from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import Forbidden, Invalid, NotAuthenticated, NotFound, problems
from leadvibe.core.http.schemas import PlainText
from leadvibe.core.scope import OrgScope, Role, Scope

T = TypeVar("T")

RawHeaders = Sequence[tuple[bytes, bytes]]

ANSWERS = problems(Invalid, NotAuthenticated, Forbidden, NotFound)
"""What every operation of an OU may answer besides its own problems: `APIRouter(responses=ANSWERS)`."""


async def _caller(request: Request) -> OrgScope:
    return await caller_of(request.headers.get("authorization"))


_Caller = Annotated[OrgScope, Depends(_caller)]


async def current_org(caller: _Caller, _by_token: ByToken, _by_credential: ByCredential) -> OrgScope:
    return caller


CurrentOrg = Annotated[OrgScope, Depends(current_org)]
"""The caller inside its organization, no OU needed; a credential's is a whole `Scope`."""


async def current_member(caller: _Caller, _by_token: ByToken) -> OrgScope:
    if caller.actor.kind != "member":
        raise NotAuthenticated("This operation belongs to a person: send a bearer token.")
    return caller


CurrentMember = Annotated[OrgScope, Depends(current_member)]
"""A person, never a program."""


ChosenUnit = Annotated[str | None, Header(alias="X-OU-ID", description="The OU to work in, instead of the active one")]


async def current_scope(request: Request, caller: CurrentOrg, x_ou_id: ChosenUnit = None) -> Scope:
    return await active_scope(caller, x_ou_id, request.cookies)


CurrentScope = Annotated[Scope, Depends(current_scope)]
"""The caller in its active OU."""


async def member_scope(request: Request, caller: CurrentMember, x_ou_id: ChosenUnit = None) -> Scope:
    """A person in the active OU: for what belongs to the person."""
    return await active_scope(caller, x_ou_id, request.cookies)


async def path_scope(id_: Annotated[PlainText, Path(alias="id")], caller: CurrentOrg) -> Scope:
    return await scope_in(caller, id_)


PathScope = Annotated[Scope, Depends(path_scope)]
"""The caller in the OU that the path names."""


def _demand(role: Role, scope_of_request: Callable[..., Awaitable[Scope]] = current_scope) -> Any:
    async def check(scope: Annotated[Scope, Depends(scope_of_request)]) -> None:
        if not scope.role.covers(role):
            raise Forbidden(f"This needs the role {role} in the OU; yours is {scope.role}.")

    return Depends(check)


async def _check_owner_or_program(scope: Annotated[Scope, Depends(current_scope)]) -> None:
    if scope.actor.kind != "credential" and not scope.role.covers(Role.OWNER):
        raise Forbidden(f"This needs the role {Role.OWNER} in the OU, or an API credential; yours is {scope.role}.")


async def _check_admin(caller: CurrentOrg) -> None:
    if not caller.admin:
        raise Forbidden("Only an admin of the organization may do this.")


VIEWER = _demand(Role.VIEWER)
OPERATOR = _demand(Role.OPERATOR)
OWNER = _demand(Role.OWNER)
OWNER_OR_PROGRAM = Depends(_check_owner_or_program)
ADMIN = Depends(_check_admin)
PATH_OPERATOR = _demand(Role.OPERATOR, path_scope)
PATH_OWNER = _demand(Role.OWNER, path_scope)


@cache
def session_under(
    scope_of_request: Callable[..., Awaitable[OrgScope]], isolation: str | None
) -> Callable[..., AsyncGenerator[AsyncSession]]:
    """The dependency that opens the request's transaction: the same one for all who ask for the same scope."""

    async def session(scope: Annotated[OrgScope, Depends(scope_of_request)]) -> AsyncGenerator[AsyncSession]:
        async with transaction(scope, isolation=isolation) as opened:
            yield opened

    return session


request_session = session_under(current_scope, None)

Session = Annotated[AsyncSession, Depends(request_session, scope="function")]
"""The request's transaction, committed before the response leaves."""


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
    """The caller and its active OU, for a route below FastAPI."""
    known = Headers(raw=list(headers))
    caller = await caller_of(known.get("authorization"))
    if isinstance(caller, Scope):
        return caller
    return await active_scope(caller, known.get("x-ou-id"), cookie_parser(known.get("cookie", "")))


async def scope_of(connection: HTTPConnection) -> Scope:
    return await scope_of_headers(connection.scope["headers"])
