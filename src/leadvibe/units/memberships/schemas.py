"""The members of an OU."""

from typing import ClassVar

from pydantic import Field

from leadvibe.access.schemas import UnitRole
from leadvibe.core.http.schemas import PlainText, Read, Write
from leadvibe.core.scope import Role


class UnitMemberRead(Read):
    org_member_id: str
    first_name: str
    last_name: str
    email: str
    role: Role
    unit_id: str


class UnitMemberAssign(Write):
    shown_as: ClassVar[type[Read] | None] = UnitMemberRead

    org_member_id: PlainText
    role: UnitRole | None = Field(
        default=None, description="By default a new member is a Viewer, and the role of a present member stays"
    )


class UnitMemberChange(Write):
    shown_as: ClassVar[type[Read] | None] = UnitMemberRead

    role: UnitRole
