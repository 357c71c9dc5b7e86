"""Sign-in, OUs, members, credentials and tokens as they come in and go out."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool

from leadvibe.core.http.schemas import UNSENT, Line, PlainText, Read, Time, Write, check_line
from leadvibe.core.scope import Role

EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+")


def _email(value: str) -> str:
    # Looser than a mail server: addresses of an intranet, like admin@localhost, are accounts too.
    if EMAIL.fullmatch(value) is None:
        raise ValueError("must be an e-mail address")
    return value.lower()


def _future(value: datetime | None) -> datetime | None:
    if value is not None and value <= datetime.now(UTC):
        raise ValueError("must be in the future")
    return value


class MemberRole(StrEnum):
    """What a person may do in the organization; an admin may do everything in it."""

    ADMIN = "admin"
    EDITOR = "editor"
    VIEWER = "viewer"


def _line(value: str) -> str:
    return check_line(value.strip())


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _capitalized(value: object) -> object:
    return value.capitalize() if isinstance(value, str) else value


Email = Annotated[PlainText, Field(max_length=254, json_schema_extra={"format": "email"}), AfterValidator(_email)]
Password = Annotated[PlainText, Field(min_length=8, max_length=1024, json_schema_extra={"format": "password"})]
OrgRole = Annotated[MemberRole, BeforeValidator(_lower, json_schema_input_type=MemberRole)]
UnitRole = Annotated[Role, BeforeValidator(_capitalized, json_schema_input_type=Role)]
FutureTime = Annotated[Time | None, AfterValidator(_future), Field(description="When it ends; never, if left out")]


class SignIn(Write):
    email: Annotated[PlainText, Field(max_length=254)]
    password: Annotated[PlainText, Field(max_length=1024, json_schema_extra={"format": "password"})]


class AccessToken(Read):
    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the type's name, as OAuth has it
    expires_in: int = Field(description="Seconds")


class CurrentUser(Read):
    org_member_id: str
    first_name: str
    last_name: str
    email: str
    role: MemberRole
    verified: bool


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
    name: Annotated[Line, Field(description="Must hold a letter or a digit: the slug is made of it")]


class UnitChoice(Write):
    unit_id: Annotated[PlainText, Field(alias="ouId", description="The OU to work in")]


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
    first_name: Line
    last_name: Line
    email: Email
    password: Password
    role: OrgRole


class MemberChange(Write):
    first_name: Line = UNSENT
    last_name: Line = UNSENT
    email: Email = UNSENT
    password: Annotated[Password, Field(description="A new password ends the member's sign-ins")] = UNSENT
    role: OrgRole = UNSENT


class UnitMemberRead(Read):
    org_member_id: str
    first_name: str
    last_name: str
    email: str
    role: Role
    unit_id: str


class UnitMemberAssign(Write):
    org_member_id: PlainText
    role: UnitRole = Role.VIEWER


class UnitMemberChange(Write):
    role: UnitRole


class CredentialRead(Read):
    secret_id: str
    unit_id: str
    client_id: str
    name: str
    trust_upstream_consent: bool
    created_at: Time


class CredentialCreated(CredentialRead):
    client_secret: str = Field(description="Shown this once; the server keeps only a digest of it")


class CredentialCreate(Write):
    name: Annotated[str, Field(max_length=50), AfterValidator(_line)]


class CredentialChange(Write):
    trust_upstream_consent: Annotated[StrictBool, Field(description="Believe the consent that comes with events")]


class PersonalTokenRead(Read):
    id: str = Field(validation_alias="token_id")
    name: str
    token_prefix: str
    expires_at: Time | None
    created_at: Time
    last_used_at: Time | None


class PersonalTokenCreated(PersonalTokenRead):
    token: str = Field(description="Shown this once; the server keeps only a digest of it")


class PersonalTokenCreate(Write):
    name: Annotated[str, Field(max_length=100), AfterValidator(_line)]
    expires_at: FutureTime = None
