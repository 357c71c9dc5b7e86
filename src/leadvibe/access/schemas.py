"""Field types that several resources share: e-mail addresses, names and roles."""

from enum import StrEnum
from typing import Annotated

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from pydantic import AfterValidator, BeforeValidator, Field

from leadvibe.access.authentication.password_rules import MIN_LENGTH, check_password
from leadvibe.core.http.schemas import PlainText, check_line
from leadvibe.core.scope import Role


class MemberRole(StrEnum):
    """A member's role in the organization. An `admin` has every right in all OUs."""

    ADMIN = "admin"
    EDITOR = "editor"
    VIEWER = "viewer"


def check_password_alone(value: str) -> str:
    return check_password(value)


def check_email(value: str) -> str:
    """The address in lower case. ValueError unless it is a single valid address; nothing is looked up in DNS.

    Accounts may use addresses of an intranet, such as `admin@localhost` or `ada@crm.local`. email-validator refuses
    those domains as reserved, so they are checked as if they were below a domain that it accepts.
    """
    top_level_domain = value.rpartition("@")[2].rpartition(".")[2].lower()
    reserved = top_level_domain in SPECIAL_USE_DOMAIN_NAMES
    try:
        validate_email(
            f"{value}.example" if reserved else value, check_deliverability=False, globally_deliverable=False
        )
    except EmailNotValidError as error:
        raise ValueError(f"must be an e-mail address: {error}") from None
    return value.lower()


def strip_line(value: str) -> str:
    """One line of text, without the spaces around it. ValueError if it isn't one line."""
    return check_line(value.strip())


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _capitalized(value: object) -> object:
    return value.capitalize() if isinstance(value, str) else value


Email = Annotated[PlainText, Field(max_length=254, json_schema_extra={"format": "email"}), AfterValidator(check_email)]
Password = Annotated[
    PlainText,
    Field(
        max_length=1024,
        json_schema_extra={"format": "password", "minLength": MIN_LENGTH},
        description="At least 12 characters. Common passwords, and those that contain the e-mail address or the name "
        "of the organization, are refused.",
    ),
    AfterValidator(check_password_alone),
]
"""A new password."""
OrgRole = Annotated[MemberRole, BeforeValidator(_lower, json_schema_input_type=MemberRole)]
"""A role in the organization, in any case."""
UnitRole = Annotated[Role, BeforeValidator(_capitalized, json_schema_input_type=Role)]
"""A role in an OU, in any case."""
