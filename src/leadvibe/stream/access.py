"""Authorizes `/stream`: a browser's EventSource can send a cookie but no `Authorization` header."""

from sqlalchemy import select
from starlette.requests import HTTPConnection

from leadvibe.access.active_unit import UnitNotFound, scope_in
from leadvibe.access.active_unit_cookie import COOKIE, read_active_unit
from leadvibe.access.authentication.callers import caller_of, member_caller
from leadvibe.access.dependencies import scope_of
from leadvibe.config import settings
from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import Invalid, NotAuthenticated
from leadvibe.core.scope import Actor, Role, Scope
from leadvibe.units.models import OrgUnit


class InvalidCookie(NotAuthenticated):
    """The request has only the cookie, and the cookie is not valid."""

    def __init__(self, error: Invalid) -> None:
        super().__init__(error.detail)
        self.fields = error.fields


async def stream_scope(connection: HTTPConnection, unit_id: str | None) -> Scope:
    """The caller, authenticated by header or by the signed `activeOu` cookie; `unit_id` overrides the active OU."""
    authorization = connection.headers.get("authorization")
    if authorization is not None and unit_id is None:
        return await scope_of(connection)
    if authorization is not None and unit_id is not None:
        return await scope_in(await caller_of(authorization), unit_id)
    if unit_id is not None and settings().stream_open:
        return await _anonymous_scope(unit_id)  # even with a cookie, which may be out of date
    if COOKIE in connection.cookies:
        return await _scope_of_cookie(connection.cookies[COOKIE], unit_id)
    raise NotAuthenticated


async def _scope_of_cookie(cookie: str, unit_id: str | None) -> Scope:
    try:
        choice = read_active_unit(cookie)
    except Invalid as error:
        raise InvalidCookie(error) from None
    caller = await member_caller(choice.org_member_id, choice.proof)
    return await scope_in(caller, choice.unit_id if unit_id is None else unit_id)


async def _anonymous_scope(unit_id: str) -> Scope:
    if "\x00" in unit_id:
        raise UnitNotFound
    async with transaction(None) as session:
        org_id = await session.scalar(select(OrgUnit.org_id).where(OrgUnit.unit_id == unit_id))
    if org_id is None:
        raise UnitNotFound
    return Scope(org_id=org_id, actor=Actor("system", "anonymous"), unit_id=unit_id, role=Role.VIEWER)
