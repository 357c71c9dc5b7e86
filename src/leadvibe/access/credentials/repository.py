"""The API credentials of an OU."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from leadvibe.access.authentication.credential_cache import announce_access_change
from leadvibe.access.authentication.credentials import generate_credential
from leadvibe.access.models import ApiCredential
from leadvibe.core.database.repository import Repository
from leadvibe.core.ids import new_id
from leadvibe.limits import check_limit


@dataclass(frozen=True, slots=True)
class CreatedCredential:
    """A new credential with its secret, which the database doesn't store."""

    secret_id: str
    unit_id: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str
    trust_upstream_consent: bool
    created_at: datetime


class CredentialRepository(Repository[ApiCredential]):
    model: ClassVar = ApiCredential

    async def list(self) -> Sequence[ApiCredential]:
        rows = await self.session.scalars(self._select().order_by(ApiCredential.created_at, ApiCredential.secret_id))
        return rows.all()

    async def issue(self, name: str) -> CreatedCredential:
        await check_limit(self.session, self._select(), "max_credentials", noun="API credentials in this OU")
        credential = generate_credential()
        row = await self.create(
            {
                "secret_id": new_id("sec"),
                "client_id": credential.client_id,
                "secret_digest": credential.digest,
                "name": name,
                "created_by": self.scope.actor.id,
            }
        )
        return CreatedCredential(
            secret_id=row.secret_id,
            unit_id=row.unit_id,
            client_id=row.client_id,
            client_secret=credential.client_secret,
            name=row.name,
            trust_upstream_consent=row.trust_upstream_consent,
            created_at=row.created_at,
        )

    async def revoke(self, secret_id: str) -> None:
        await self.delete(await self.get(secret_id))
        await announce_access_change(self.session)
