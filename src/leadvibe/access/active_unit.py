"""The active OU of a request, and the caller's role in it. Membership is checked on every request."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Select, literal, select

from leadvibe.access.active_unit_cookie import COOKIE, read_active_unit
from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import Invalid, NotFound
from leadvibe.core.scope import OrgScope, Role, Scope
from leadvibe.units.models import OrgUnit, UnitMembership


class NoActiveUnit(Invalid):
    detail = "No OU is active. Choose one with POST /org-units/active, or send the X-OU-ID header."


class UnitNotFound(NotFound):
    detail = "You are not a member of an OU with this ID."


async def active_scope(caller: OrgScope, header: str | None, cookies: Mapping[str, str]) -> Scope:
    """The credential's own OU, else the header's, else the cookie's, else the default OU, else the member's only OU."""
    if isinstance(caller, Scope):
        return caller
    if header is not None:
        return await scope_in(caller, header)
    if COOKIE in cookies:
        choice = read_active_unit(cookies[COOKIE])
        if choice.org_member_id != caller.actor.id:
            raise Invalid.field(COOKIE, "belongs to another member; choose the OU with POST /org-units/active")
        return await scope_in(caller, choice.unit_id)
    return await _default_scope(caller)


async def scope_in(caller: OrgScope, unit_id: str) -> Scope:
    """The caller in this OU. `UnitNotFound` if the caller has no access to it."""
    if isinstance(caller, Scope) and caller.unit_id == unit_id:
        return caller
    # A path or query may contain NUL, which PostgreSQL refuses.
    if isinstance(caller, Scope) or "\x00" in unit_id:
        raise UnitNotFound
    scopes = await _scopes(caller, units_of(caller).where(OrgUnit.unit_id == unit_id))
    if not scopes:
        raise UnitNotFound
    return scopes[0]


def units_of(caller: OrgScope) -> Select[OrgUnit]:
    """The OUs that the caller can access: for a scope its own, for a member theirs, for an admin all."""
    units = select(OrgUnit).where(OrgUnit.org_id == caller.org_id)
    if isinstance(caller, Scope):
        return units.where(OrgUnit.unit_id == caller.unit_id)
    if caller.admin:
        return units
    return units.join(UnitMembership, UnitMembership.unit_id == OrgUnit.unit_id).where(
        UnitMembership.org_member_id == caller.actor.id
    )


async def _default_scope(caller: OrgScope) -> Scope:
    scopes = await _scopes(caller, units_of(caller).where(OrgUnit.is_default))
    if not scopes:
        scopes = await _scopes(caller, units_of(caller).limit(2))
    if len(scopes) != 1:
        raise NoActiveUnit
    return scopes[0]


async def _scopes(caller: OrgScope, units: Select[OrgUnit]) -> Sequence[Scope]:
    role = literal(Role.OWNER.value) if caller.admin else UnitMembership.role
    async with transaction(None) as session:
        rows = await session.execute(units.with_only_columns(OrgUnit.unit_id, role, OrgUnit.phone_region))
    return [
        Scope(
            org_id=caller.org_id,
            actor=caller.actor,
            admin=caller.admin,
            proof=caller.proof,
            unit_id=unit_id,
            role=Role(name),
            phone_region=phone_region,
        )
        for unit_id, name, phone_region in rows
    ]
