"""OUs and their organization."""

from typing import Annotated, ClassVar

from pydantic import Field

from leadvibe.core.http.schemas import Line, PlainText, Read, Write


class UnitRead(Read):
    unit_id: str
    org_id: str
    name: str
    slug: str
    external_ref: str | None
    is_default: bool


class OrganizationRead(Read):
    org_id: str
    name: str


class Units(Read):
    units: list[UnitRead]
    organization: OrganizationRead


class UnitWrite(Write):
    shown_as: ClassVar[type[Read] | None] = UnitRead

    name: Annotated[
        Line, Field(description="Must contain a letter or a digit, because the slug is derived from the name.")
    ]


class UnitChoice(Write):
    unit_id: Annotated[PlainText, Field(alias="ouId", description="The OU to make active")]
