"""Sign-in requests and responses, and the current user."""

from typing import Annotated, Literal

from pydantic import Field

from leadvibe.access.schemas import MemberRole, Password
from leadvibe.core.http.schemas import PlainText, Read, Write


class SignIn(Write):
    email: Annotated[PlainText, Field(max_length=254)]
    password: Annotated[PlainText, Field(max_length=1024, json_schema_extra={"format": "password"})]


class PasswordChange(Write):
    current_password: Annotated[PlainText, Field(max_length=1024, json_schema_extra={"format": "password"})]
    new_password: Password


class AccessToken(Read):
    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - OAuth's name for the type
    expires_in: int = Field(description="Lifetime of the access token in seconds")


class CurrentUser(Read):
    org_member_id: str
    first_name: str
    last_name: str
    email: str
    role: MemberRole
    verified: bool
