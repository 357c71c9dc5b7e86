"""The keys of programs and persons: an OU's credentials, a member's personal tokens."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.cache import forget_everywhere
from leadvibe.access.callers import PERSONAL_TOKEN
from leadvibe.access.credentials.verification import digest_of, make_credential
from leadvibe.access.models import ApiCredential, PersonalToken
from leadvibe.core.database.repository import Repository
from leadvibe.core.http.problems import NotFound
from leadvibe.core.ids import new_id
from leadvibe.core.scope import OrgScope

PREFIX = len(PERSONAL_TOKEN) + 4
"""How much of a personal token is shown in lists, to tell it from others."""


@dataclass(frozen=True, slots=True)
class CreatedCredential:
    secret_id: str
    unit_id: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str
    trust_upstream_consent: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CreatedToken:
    token_id: str
    name: str
    token: str = field(repr=False)
    token_prefix: str
    expires_at: datetime | None
    created_at: datetime
    last_used_at: datetime | None = None


class CredentialRepository(Repository[ApiCredential]):
    model: ClassVar = ApiCredential

    async def list(self) -> Sequence[ApiCredential]:
        rows = await self.session.scalars(self._select().order_by(ApiCredential.created_at, ApiCredential.secret_id))
        return rows.all()

    async def issue(self, name: str) -> CreatedCredential:
        made = make_credential()
        row = await self.create(
            {
                "secret_id": new_id("sec"),
                "client_id": made.client_id,
                "secret_digest": made.digest,
                "name": name,
                "created_by": self.scope.actor.id,
            }
        )
        return CreatedCredential(
            secret_id=row.secret_id,
            unit_id=row.unit_id,
            client_id=row.client_id,
            client_secret=made.client_secret,
            name=row.name,
            trust_upstream_consent=row.trust_upstream_consent,
            created_at=row.created_at,
        )

    async def revoke(self, secret_id: str) -> None:
        await self.delete(await self.get(secret_id))
        await forget_everywhere(self.session)


class PersonalTokenRepository:
    def __init__(self, session: AsyncSession, caller: OrgScope) -> None:
        self.session = session
        self.caller = caller

    async def list(self) -> Sequence[PersonalToken]:
        rows = await self.session.scalars(self._select().order_by(PersonalToken.created_at, PersonalToken.token_id))
        return rows.all()

    async def issue(self, name: str, expires_at: datetime | None) -> CreatedToken:
        token = PERSONAL_TOKEN + secrets.token_urlsafe(32)
        row = PersonalToken(
            token_id=new_id("pat"),
            org_member_id=self.caller.actor.id,
            name=name,
            token_digest=digest_of(token),
            token_prefix=token[:PREFIX],
            expires_at=expires_at,
        )
        self.session.add(row)
        await self.session.flush()
        return CreatedToken(row.token_id, name, token, row.token_prefix, expires_at, row.created_at)

    async def revoke(self, token_id: str) -> None:
        row = await self.session.scalar(self._select().where(PersonalToken.token_id == token_id))
        if row is None:
            raise NotFound
        await self.session.delete(row)
        await self.session.flush()

    def _select(self) -> Select[PersonalToken]:
        return select(PersonalToken).where(PersonalToken.org_member_id == self.caller.actor.id)
