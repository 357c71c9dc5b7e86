"""Personal tokens."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from leadvibe.access.schemas import strip_line
from leadvibe.core.http.schemas import Read, Time, Write


def _check_future(value: datetime | None) -> datetime | None:
    if value is not None and value <= datetime.now(UTC):
        raise ValueError("must be in the future")
    return value


ExpiresAt = Annotated[
    Time | None,
    AfterValidator(_check_future),
    Field(description="When the token expires. Without it the token never expires."),
]


class PersonalTokenRead(Read):
    id: str = Field(validation_alias="token_id")
    name: str
    token_prefix: str
    expires_at: Time | None
    created_at: Time
    last_used_at: Time | None


class PersonalTokenCreated(PersonalTokenRead):
    token: str = Field(description="Returned only once. The server stores only a digest of it.")


class PersonalTokenCreate(Write):
    shown_as: ClassVar[type[Read] | None] = PersonalTokenRead

    name: Annotated[str, Field(max_length=100), AfterValidator(strip_line)]
    expires_at: ExpiresAt = None
