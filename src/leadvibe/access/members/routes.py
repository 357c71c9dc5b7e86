"""The members of the organization."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from leadvibe.access.dependencies import ADMIN, ANSWERS, current_org, provide
from leadvibe.access.members.repository import MemberRepository, Profile
from leadvibe.access.members.schemas import MemberChange, MemberCreate, MemberRead
from leadvibe.core.http.preferences import WantsRepresentation, changed
from leadvibe.core.http.problems import Conflict, problems
from leadvibe.core.http.schemas import PlainText

router = APIRouter(tags=["OrgUnits"], responses=ANSWERS)

MemberId = Annotated[PlainText, Path(alias="id")]
Members = Annotated[MemberRepository, Depends(provide(MemberRepository, scope=current_org))]


@router.get("/members", response_model=list[MemberRead])
async def list_members(members: Members) -> Sequence[Profile]:
    """List the members of the organization, each with their OUs.

    If you aren't an admin, these are the members of your OUs.
    """
    return await members.list()


@router.get("/members/{id}", response_model=MemberRead)
async def get_member(org_member_id: MemberId, members: Members) -> Profile:
    """Get a member of the organization, with their OUs. If you aren't an admin, it must be a member of your OUs."""
    return await members.get_profile(org_member_id)


@router.post(
    "/members",
    dependencies=[ADMIN],
    status_code=201,
    response_model=MemberRead,
    responses=problems(Conflict),
)
async def create_member(body: MemberCreate, members: Members) -> Profile:
    """Create an account. A new member can access an OU after joining it; an `admin` can access all OUs."""
    return await members.create(body.values())


@router.put(
    "/members/{id}",
    dependencies=[ADMIN],
    status_code=204,
    responses={200: {"model": MemberRead}, **problems(Conflict)},
)
async def update_member(
    org_member_id: MemberId, body: MemberChange, members: Members, wants: WantsRepresentation
) -> Response:
    """Update a member. Only the fields you send change. The last admin can't lose that role."""
    return changed(MemberRead.model_validate(await members.update(org_member_id, body.sent())), wants)


@router.delete("/members/{id}", dependencies=[ADMIN], status_code=204, responses=problems(Conflict))
async def delete_member(org_member_id: MemberId, members: Members) -> None:
    """Delete a member's account. The last admin and the last Owner of an OU can't be deleted."""
    await members.delete(org_member_id)
