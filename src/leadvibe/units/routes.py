"""OUs, the organization's members, and who belongs to which OU."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Request, Response

from leadvibe.access.dependencies import (
    ADMIN,
    ANSWERS,
    PATH_OPERATOR,
    PATH_OWNER,
    CurrentOrg,
    PathScope,
    current_org,
    path_scope,
    provide,
)
from leadvibe.access.members.repository import MemberRepository, Profile
from leadvibe.access.schemas import (
    MemberChange,
    MemberCreate,
    MemberRead,
    UnitChoice,
    UnitMemberAssign,
    UnitMemberChange,
    UnitMemberRead,
    UnitRead,
    Units,
    UnitWrite,
)
from leadvibe.access.sign_in.cookies import keep_active_unit
from leadvibe.core.http.preferences import WantsRepresentation, changed
from leadvibe.core.http.problems import Conflict, problems
from leadvibe.core.http.schemas import PlainText
from leadvibe.units.memberships import MembershipRepository, UnitMember
from leadvibe.units.models import OrgUnit
from leadvibe.units.repository import Listed, UnitRepository

router = APIRouter(responses=ANSWERS)
in_unit = APIRouter(prefix="/org-units/{id}", responses=ANSWERS)
"""Operations on the OU that the path names, whichever is the active one."""

ASCII = "".join(map(chr, range(32, 127))).replace("%", "")

UnitsOfCaller = Annotated[UnitRepository, Depends(provide(UnitRepository, scope=current_org))]
UnitOfPath = Annotated[UnitRepository, Depends(provide(UnitRepository, scope=path_scope))]
Members = Annotated[MemberRepository, Depends(provide(MemberRepository, scope=current_org))]
Memberships = Annotated[MembershipRepository, Depends(provide(MembershipRepository, scope=path_scope))]


@router.get("/org-units", tags=["OrgUnits"], response_model=Units)
async def list_org_units(units: UnitsOfCaller) -> Listed:
    """The organization and those of its OUs that are open to you; with a credential, its own."""
    return await units.list()


@router.post(
    "/org-units",
    tags=["OrgUnits"],
    dependencies=[ADMIN],
    status_code=201,
    response_model=UnitRead,
    responses=problems(Conflict),
)
async def create_org_unit(body: UnitWrite, units: UnitsOfCaller) -> OrgUnit:
    """Make an OU, with you as its Owner and one primary ruleset. Nothing in it is seen from another OU."""
    return await units.create(body.name)


@router.post("/org-units/active", tags=["OrgUnits"], status_code=204)
async def set_active_org_unit(
    body: UnitChoice, units: UnitsOfCaller, caller: CurrentOrg, request: Request, response: Response
) -> None:
    """Work in this OU from now on: sets the `activeOu` cookie. The OU is repeated in `X-OU-ID` and `X-OU-Name`.

    A credential works in its own OU and gets no cookie. A name that isn't plain ASCII is percent-encoded UTF-8.
    """
    unit = await units.get(body.unit_id)
    response.headers["X-OU-ID"] = unit.unit_id
    response.headers["X-OU-Name"] = quote(unit.name, safe=ASCII)
    if caller.actor.kind == "member":
        keep_active_unit(request, response, caller.actor.id, unit.unit_id)


@in_unit.put(
    "",
    tags=["OrgUnits"],
    dependencies=[PATH_OWNER],
    response_model=UnitRead,
    responses=problems(Conflict),
)
async def rename_org_unit(body: UnitWrite, units: UnitOfPath, scope: PathScope) -> OrgUnit:
    """Rename an OU that you own; its slug follows."""
    return await units.rename(scope.unit_id, body.name)


@router.get("/members", tags=["OrgUnits"], response_model=list[MemberRead])
async def list_members(members: Members) -> Sequence[Profile]:
    """The members of the organization, each with the OUs they belong to."""
    return await members.list()


@router.post(
    "/members",
    tags=["OrgUnits"],
    dependencies=[ADMIN],
    status_code=201,
    response_model=MemberRead,
    responses=problems(Conflict),
)
async def create_member(body: MemberCreate, members: Members) -> Profile:
    """Give somebody an account. They see an OU once they are a member of it; an `admin` sees all."""
    return await members.create(body.values())


@router.put(
    "/members/{id}",
    tags=["OrgUnits"],
    dependencies=[ADMIN],
    status_code=204,
    responses={200: {"model": MemberRead}, **problems(Conflict)},
)
async def update_member(
    org_member_id: Annotated[PlainText, Path(alias="id")],
    body: MemberChange,
    members: Members,
    wants: WantsRepresentation,
) -> Response:
    """Change the fields that are sent. The last admin must stay one."""
    return changed(MemberRead.model_validate(await members.update(org_member_id, body.sent())), wants)


@router.delete("/members/{id}", tags=["OrgUnits"], dependencies=[ADMIN], status_code=204, responses=problems(Conflict))
async def delete_member(org_member_id: Annotated[PlainText, Path(alias="id")], members: Members) -> None:
    """Take a member's account away, and with it every OU. The last admin and an OU's last Owner stay."""
    await members.delete(org_member_id)


@in_unit.get("/members", tags=["OUMemberships"], response_model=list[UnitMemberRead])
async def list_org_unit_members(memberships: Memberships) -> Sequence[UnitMember]:
    """Who belongs to the OU, and as what: Owner, Operator or Viewer."""
    return await memberships.list()


@in_unit.post(
    "/members",
    tags=["OUMemberships"],
    dependencies=[PATH_OPERATOR],
    status_code=204,
    responses=problems(Conflict),
)
async def assign_org_unit_member(body: UnitMemberAssign, memberships: Memberships) -> None:
    """Take a member of the organization into the OU, or give one who is in it another role.

    Sending the same again changes nothing. Only an Owner makes or changes an Owner.
    """
    await memberships.assign(body.org_member_id, body.role)


@in_unit.put(
    "/members/{member_id}",
    tags=["OUMemberships"],
    dependencies=[PATH_OPERATOR],
    status_code=204,
    responses={200: {"model": UnitMemberRead}, **problems(Conflict)},
)
async def update_org_unit_member(
    member_id: PlainText, body: UnitMemberChange, memberships: Memberships, wants: WantsRepresentation
) -> Response:
    """Change a member's role in the OU. Only an Owner makes or changes an Owner; the last one must stay."""
    return changed(UnitMemberRead.model_validate(await memberships.change(member_id, body.role)), wants)


@in_unit.delete(
    "/members/{member_id}",
    tags=["OUMemberships"],
    dependencies=[PATH_OPERATOR],
    status_code=204,
    responses=problems(Conflict),
)
async def remove_org_unit_member(member_id: PlainText, memberships: Memberships) -> None:
    """Take a member out of the OU; the account stays. Only an Owner removes an Owner; the last one must stay."""
    await memberships.remove(member_id)


router.include_router(in_unit)
