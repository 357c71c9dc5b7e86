"""Members of the organization."""

from typing import Annotated, ClassVar

from pydantic import Field

from leadvibe.access.schemas import Email, MemberRole, OrgRole, Password
from leadvibe.core.http.schemas import UNSENT, Line, Read, Time, Write
from leadvibe.core.scope import Role


class UnitMembershipOfMember(Read):
    unit_id: str
    unit_name: str
    role: Role


class MemberRead(Read):
    org_member_id: str
    first_name: str
    last_name: str
    email: str
    role: MemberRole
    verified: bool
    ou_memberships: list[UnitMembershipOfMember]
    created_at: Time


class MemberCreate(Write):
    shown_as: ClassVar[type[Read] | None] = MemberRead

    first_name: Line
    last_name: Line
    email: Email
    password: Password
    role: OrgRole


class MemberChange(Write):
    shown_as: ClassVar[type[Read] | None] = MemberRead

    first_name: Line = UNSENT
    last_name: Line = UNSENT
    email: Email = UNSENT
    password: Annotated[
        Password,
        Field(
            description="A new password. Ends all sign-ins and personal tokens of the member. The conditions for a new "
            "member's password apply."
        ),
    ] = UNSENT
    role: OrgRole = UNSENT
