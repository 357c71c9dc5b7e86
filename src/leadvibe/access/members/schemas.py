"""Members of the organization."""

from typing import Annotated, ClassVar

from pydantic import Field

from leadvibe.access.schemas import Email, MemberRole, OrgRole
from leadvibe.core.http.schemas import UNSENT, Line, PlainText, Read, Time, Write
from leadvibe.core.scope import Role

Password = Annotated[PlainText, Field(min_length=8, max_length=1024, json_schema_extra={"format": "password"})]


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
    password: Annotated[Password, Field(description="A new password. It ends all sign-ins of the member.")] = UNSENT
    role: OrgRole = UNSENT
