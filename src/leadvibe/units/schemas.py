"""OUs and their organization."""

from typing import Annotated, ClassVar

import phonenumbers
from pydantic import AfterValidator, Field

from leadvibe.core.http.schemas import Line, PlainText, Read, Write


class UnitRead(Read):
    unit_id: str
    org_id: str
    name: str
    slug: str
    external_ref: str | None
    phone_region: str | None
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


def _check_region(value: str) -> str:
    region = value.upper()
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("must be the ISO 3166 code of a country, such as DE")
    return region


class UnitChange(UnitWrite):
    """A field that you don't send stays unchanged, except the name, which is required."""

    phone_region: Annotated[str, AfterValidator(_check_region)] | None = Field(
        default=None,
        description="The country of phone numbers that are sent without a country code, such as `DE`. "
        "With `null` they have no country and match only numbers that are sent in the same way.",
        examples=["DE"],
    )


class UnitChoice(Write):
    unit_id: Annotated[PlainText, Field(alias="ouId", description="The OU to make active")]
