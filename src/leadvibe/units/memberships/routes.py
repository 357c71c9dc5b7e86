"""The members of the OU that the path names, which doesn't have to be the active one."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from leadvibe.access.dependencies import ANSWERS, PATH_OPERATOR, path_scope, provide
from leadvibe.core.http.preferences import WantsRepresentation, changed
from leadvibe.core.http.problems import Conflict, problems
from leadvibe.core.http.schemas import PlainText
from leadvibe.units.memberships.repository import MembershipRepository, UnitMember
from leadvibe.units.memberships.schemas import UnitMemberAssign, UnitMemberChange, UnitMemberRead

router = APIRouter(prefix="/org-units/{id}/members", tags=["OUMemberships"], responses=ANSWERS)

Memberships = Annotated[MembershipRepository, Depends(provide(MembershipRepository, scope=path_scope))]


@router.get("", response_model=list[UnitMemberRead])
async def list_org_unit_members(memberships: Memberships) -> Sequence[UnitMember]:
    """List the members of an OU with their roles in it: Owner, Operator or Viewer."""
    return await memberships.list()


@router.get("/{member_id}", response_model=UnitMemberRead)
async def get_org_unit_member(member_id: PlainText, memberships: Memberships) -> UnitMember:
    """Get a member of an OU with their role in it."""
    return await memberships.get_member(member_id)


@router.post("", dependencies=[PATH_OPERATOR], status_code=204, responses=problems(Conflict))
async def assign_org_unit_member(body: UnitMemberAssign, memberships: Memberships) -> None:
    """Add a member of the organization to an OU, or change their role in it.

    Repeating the request changes nothing. Only an Owner can add or change an Owner.
    """
    await memberships.assign(body.org_member_id, body.role)


@router.put(
    "/{member_id}",
    dependencies=[PATH_OPERATOR],
    status_code=204,
    responses={200: {"model": UnitMemberRead}, **problems(Conflict)},
)
async def update_org_unit_member(
    member_id: PlainText, body: UnitMemberChange, memberships: Memberships, wants: WantsRepresentation
) -> Response:
    """Change a member's role in an OU. Only an Owner can add or change an Owner. The last Owner can't change."""
    return changed(UnitMemberRead.model_validate(await memberships.change(member_id, body.role)), wants)


@router.delete("/{member_id}", dependencies=[PATH_OPERATOR], status_code=204, responses=problems(Conflict))
async def remove_org_unit_member(member_id: PlainText, memberships: Memberships) -> None:
    """Remove a member from an OU. The account stays.

    Only an Owner can remove an Owner. The last Owner can't be removed.
    """
    await memberships.remove(member_id)
