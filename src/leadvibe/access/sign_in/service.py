"""Sign-in by password, refresh tokens and sign-out."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.authentication.access_tokens import issue_access_token
from leadvibe.access.authentication.digests import secret_digest
from leadvibe.access.authentication.passwords import hash_password, needs_rehash, verify_password
from leadvibe.access.models import Member, RefreshToken
from leadvibe.config import settings
from leadvibe.core.database.transactions import Pool, transaction
from leadvibe.core.http.problems import NotAuthenticated
from leadvibe.core.ids import new_id


class SignInRefused(NotAuthenticated):
    detail = "The e-mail address or the password is wrong."


class SignedOut(NotAuthenticated):
    detail = "There is no sign-in to refresh, or it has ended. Sign in again."


@dataclass(frozen=True, slots=True)
class Grant:
    """A short-lived access token, and the refresh token for the next one."""

    org_member_id: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


async def sign_in(email: str, password: str) -> Grant:
    async with transaction(None, pool=Pool.ACCESS) as session:
        member = await session.scalar(select(Member).where(Member.email == email.strip().lower()))
    if not await verify_password(password, member and member.password_hash) or member is None:
        raise SignInRefused
    # Hashing takes time, so no transaction is open meanwhile.
    new_hash = await hash_password(password) if needs_rehash(member.password_hash or "") else None
    async with transaction(None, pool=Pool.ACCESS) as session:
        if new_hash is not None:
            await session.execute(
                update(Member)
                .where(Member.org_member_id == member.org_member_id, Member.password_hash == member.password_hash)
                .values(password_hash=new_hash)
            )
        expired = RefreshToken.expires_at <= datetime.now(UTC)
        await session.execute(delete(RefreshToken).where(RefreshToken.org_member_id == member.org_member_id, expired))
        return _grant(session, member, family_id=new_id("rf"))


async def refresh(refresh_token: str | None) -> Grant:
    """The next grant. Reusing a spent token means that somebody copied it, so this revokes its whole family."""
    if refresh_token is None:
        raise SignedOut
    async with transaction(None, pool=Pool.ACCESS) as session:
        grant = await _next_grant(session, secret_digest(refresh_token))
    # Raise after the commit, so that a revocation isn't rolled back.
    if grant is None:
        raise SignedOut
    return grant


async def sign_out(refresh_token: str | None) -> None:
    """Revoke the token's whole family."""
    if refresh_token is None:
        return
    async with transaction(None, pool=Pool.ACCESS) as session:
        locked = await _lock_token(session, secret_digest(refresh_token))
        if locked is not None:
            _, token = locked
            await _revoke_family(session, token)


async def _next_grant(session: AsyncSession, digest: bytes) -> Grant | None:
    locked = await _lock_token(session, digest)
    if locked is None:
        return None
    member, token = locked
    now = datetime.now(UTC)
    if token.expires_at <= now:
        return None
    if token.spent_at is not None:
        await _revoke_family(session, token)
        return None
    token.spent_at = now
    return _grant(session, member, token.family_id)


async def _lock_token(session: AsyncSession, digest: bytes) -> tuple[Member, RefreshToken] | None:
    """The member and the token. Locks the member's row, so that concurrent refreshes run one after the other."""
    token = await session.get(RefreshToken, digest)
    if token is None:
        return None
    member = await session.get(Member, token.org_member_id, with_for_update={"key_share": True})
    # Read it again: another request may have spent or revoked it before this one got the lock.
    token = await session.get(RefreshToken, digest, populate_existing=True)
    return None if member is None or token is None else (member, token)


def _grant(session: AsyncSession, member: Member, family_id: str) -> Grant:
    refresh_token = secrets.token_urlsafe(32)
    session.add(
        RefreshToken(
            token_digest=secret_digest(refresh_token),
            family_id=family_id,
            org_member_id=member.org_member_id,
            expires_at=datetime.now(UTC) + settings().refresh_token_lifetime,
        )
    )
    return Grant(member.org_member_id, issue_access_token(member), refresh_token)


async def _revoke_family(session: AsyncSession, token: RefreshToken) -> None:
    await session.execute(delete(RefreshToken).where(RefreshToken.family_id == token.family_id))
