"""API credentials."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, StrictBool

from leadvibe.access.schemas import strip_line
from leadvibe.core.http.schemas import Read, Time, Write


class CredentialRead(Read):
    secret_id: str
    unit_id: str
    client_id: str
    name: str
    trust_upstream_consent: bool
    created_at: Time


class CredentialCreated(CredentialRead):
    client_secret: str = Field(description="Returned only once. The server stores only a digest of it.")


class CredentialCreate(Write):
    shown_as: ClassVar[type[Read] | None] = CredentialRead

    name: Annotated[str, Field(max_length=50), AfterValidator(strip_line)]


class CredentialChange(Write):
    shown_as: ClassVar[type[Read] | None] = CredentialRead

    trust_upstream_consent: Annotated[
        StrictBool, Field(description="Whether to trust the consent that this credential's events contain")
    ]
