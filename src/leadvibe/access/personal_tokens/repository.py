"""The personal tokens of a member."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.authentication.credential_cache import announce_access_change
from leadvibe.access.authentication.digests import secret_digest
from leadvibe.access.authentication.personal_tokens import PREFIX, generate_personal_token
from leadvibe.access.authentication.proofs import hold
from leadvibe.access.models import PersonalToken
from leadvibe.core.http.problems import NotFound
from leadvibe.core.ids import new_id
from leadvibe.core.scope import OrgScope
from leadvibe.limits import check_limit

SHOWN_LENGTH = len(PREFIX) + 4
"""How many characters of a token are stored and listed, so that its owner recognizes it."""


@dataclass(frozen=True, slots=True)
class CreatedToken:
    """A new token with its text, which the database doesn't store."""

    token_id: str
    name: str
    token: str = field(repr=False)
    token_prefix: str
    expires_at: datetime | None
    created_at: datetime
    last_used_at: datetime | None = None


class PersonalTokenRepository:
    def __init__(self, session: AsyncSession, caller: OrgScope) -> None:
        self.session = session
        self.caller = caller

    async def list(self) -> Sequence[PersonalToken]:
        rows = await self.session.scalars(self._select().order_by(PersonalToken.created_at, PersonalToken.token_id))
        return rows.all()

    async def get(self, token_id: str) -> PersonalToken:
        row = await self.session.scalar(self._select().where(PersonalToken.token_id == token_id))
        if row is None:
            raise NotFound
        return row

    async def issue(self, name: str, expires_at: datetime | None) -> CreatedToken:
        """Create a token. It never outlives a personal token or an outside issuer's token that creates it."""
        await hold(self.session, self.caller)
        await check_limit(self.session, self._select(), "max_personal_tokens", noun="personal tokens of yours")
        proof = self.caller.proof
        if proof is not None and proof.kind != "sign_in" and proof.expires_at is not None:
            expires_at = min(expires_at or proof.expires_at, proof.expires_at)
        token = generate_personal_token()
        row = PersonalToken(
            token_id=new_id("pat"),
            org_member_id=self.caller.actor.id,
            parent_id=proof.id if proof is not None and proof.kind == "personal_token" else None,
            name=name,
            token_digest=secret_digest(token),
            token_prefix=token[:SHOWN_LENGTH],
            expires_at=expires_at,
        )
        self.session.add(row)
        await self.session.flush()
        return CreatedToken(row.token_id, name, token, row.token_prefix, expires_at, row.created_at)

    async def revoke(self, token_id: str) -> None:
        await self.session.delete(await self.get(token_id))
        await self.session.flush()
        await announce_access_change(self.session)

    def _select(self) -> Select[PersonalToken]:
        return select(PersonalToken).where(PersonalToken.org_member_id == self.caller.actor.id)
