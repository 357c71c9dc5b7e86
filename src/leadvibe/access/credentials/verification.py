"""A program's credential: how one is made, and the scope it opens."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from sqlalchemy import select

from leadvibe.access.models import ApiCredential
from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import NotAuthenticated
from leadvibe.core.scope import Actor, Role, Scope
from leadvibe.units.models import OrgUnit

CLIENT_ID = re.compile(r"lv_ci_[A-Za-z0-9_-]{1,100}")


class CredentialUnknown(NotAuthenticated):
    detail = "The client id and secret are not a credential of this server."


@dataclass(frozen=True, slots=True)
class NewCredential:
    client_id: str
    client_secret: str = field(repr=False)

    @property
    def digest(self) -> bytes:
        return digest_of(self.client_secret)


def make_credential() -> NewCredential:
    return NewCredential(f"lv_ci_{secrets.token_hex(12)}", f"lv_cs_{secrets.token_urlsafe(32)}")


def digest_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


async def scope_of_credential(encoded: str) -> Scope:
    """What `Authorization: Basic <encoded>` opens: the credential's own OU, as Operator."""
    client_id, secret = _decode(encoded)
    async with transaction(None) as session:
        found = await session.execute(
            select(ApiCredential.secret_id, ApiCredential.unit_id, ApiCredential.secret_digest, OrgUnit.org_id)
            .join(OrgUnit, OrgUnit.unit_id == ApiCredential.unit_id)
            .where(ApiCredential.client_id == client_id)
        )
        row = found.one_or_none()
    if row is None or not hmac.compare_digest(row.secret_digest, digest_of(secret)):
        raise CredentialUnknown
    return Scope(org_id=row.org_id, actor=Actor("credential", row.secret_id), unit_id=row.unit_id, role=Role.OPERATOR)


def _decode(encoded: str) -> tuple[str, str]:
    try:
        client_id, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise CredentialUnknown("The Basic authorization must be base64 of client_id:client_secret.") from None
    if not colon or CLIENT_ID.fullmatch(client_id) is None:
        raise CredentialUnknown
    return client_id, secret
