"""API credentials for HTTP Basic authentication: how they are generated and verified."""

import base64
import binascii
import hmac
import re
import secrets
from dataclasses import dataclass, field

from sqlalchemy import select

from leadvibe.access.authentication.digests import secret_digest
from leadvibe.access.models import ApiCredential
from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import NotAuthenticated
from leadvibe.core.scope import Actor, Proof, Role, Scope
from leadvibe.units.models import OrgUnit

CLIENT_ID = re.compile(r"lv_ci_[A-Za-z0-9_-]{1,100}")


class InvalidCredential(NotAuthenticated):
    detail = "The client ID or the client secret is wrong."


@dataclass(frozen=True, slots=True)
class NewCredential:
    client_id: str
    client_secret: str = field(repr=False)

    @property
    def digest(self) -> bytes:
        return secret_digest(self.client_secret)


def generate_credential() -> NewCredential:
    return NewCredential(f"lv_ci_{secrets.token_hex(12)}", f"lv_cs_{secrets.token_urlsafe(32)}")


async def verify_credential(encoded: str) -> Scope:
    """The scope for `Authorization: Basic <encoded>`: the credential's own OU, in the role Operator."""
    client_id, client_secret = _decode(encoded)
    async with transaction(None) as session:
        result = await session.execute(
            select(
                ApiCredential.secret_id,
                ApiCredential.unit_id,
                ApiCredential.secret_digest,
                OrgUnit.org_id,
                OrgUnit.phone_region,
            )
            .join(OrgUnit, OrgUnit.unit_id == ApiCredential.unit_id)
            .where(ApiCredential.client_id == client_id)
        )
        row = result.one_or_none()
    if row is None or not hmac.compare_digest(row.secret_digest, secret_digest(client_secret)):
        raise InvalidCredential
    return Scope(
        org_id=row.org_id,
        actor=Actor("credential", row.secret_id),
        proof=Proof("credential", row.secret_id),
        unit_id=row.unit_id,
        role=Role.OPERATOR,
        phone_region=row.phone_region,
    )


def _decode(encoded: str) -> tuple[str, str]:
    try:
        client_id, colon, client_secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidCredential("The Basic authorization must be base64 of client_id:client_secret.") from None
    if not colon or CLIENT_ID.fullmatch(client_id) is None:
        raise InvalidCredential
    return client_id, client_secret
