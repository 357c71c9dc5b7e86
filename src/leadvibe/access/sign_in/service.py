"""Signing in, staying signed in and signing out."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.credentials.verification import digest_of
from leadvibe.access.models import Member, RefreshToken
from leadvibe.access.sign_in.passwords import hash_password, needs_rehash, password_fits
from leadvibe.access.tokens import issue_access_token
from leadvibe.config import settings
from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import NotAuthenticated
from leadvibe.core.ids import new_id


class SignInRefused(NotAuthenticated):
    detail = "The e-mail address and password don't match."


class SignedOut(NotAuthenticated):
    detail = "There is no sign-in to refresh, or it has ended; sign in again."


@dataclass(frozen=True, slots=True)
class Grant:
    """What a sign-in gives: a short-lived token, and one that the next is had for."""

    org_member_id: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


async def sign_in(email: str, password: str) -> Grant:
    async with transaction(None) as session:
        member = await session.scalar(select(Member).where(Member.email == email.strip().lower()))
    if not await password_fits(password, member and member.password_hash) or member is None:
        raise SignInRefused
    # No connection is held while a password is hashed.
    renewed = await hash_password(password) if needs_rehash(member.password_hash or "") else None
    async with transaction(None) as session:
        if renewed is not None:
            await session.execute(
                update(Member)
                .where(Member.org_member_id == member.org_member_id, Member.password_hash == member.password_hash)
                .values(password_hash=renewed)
            )
        expired = RefreshToken.expires_at <= datetime.now(UTC)
        await session.execute(delete(RefreshToken).where(RefreshToken.org_member_id == member.org_member_id, expired))
        return _grant(session, member, family_id=new_id("rf"))


async def refresh(refresh_token: str | None) -> Grant:
    """The next grant for an unspent token; a spent one was stolen or copied, so its whole family ends."""
    if refresh_token is None:
        raise SignedOut
    async with transaction(None) as session:
        grant = await _next_grant(session, digest_of(refresh_token))
    # Only after the commit: what a refusal revokes must stay revoked.
    if grant is None:
        raise SignedOut
    return grant


async def sign_out(refresh_token: str | None) -> None:
    """End the sign-in that the token belongs to."""
    if refresh_token is None:
        return
    async with transaction(None) as session:
        found = await _locked(session, digest_of(refresh_token))
        if found is not None:
            await _end_family(session, found[1])


async def _next_grant(session: AsyncSession, digest: bytes) -> Grant | None:
    found = await _locked(session, digest)
    if found is None:
        return None
    member, token = found
    now = datetime.now(UTC)
    if token.expires_at <= now:
        return None
    if token.spent_at is not None:
        await _end_family(session, token)
        return None
    token.spent_at = now
    return _grant(session, member, token.family_id)


async def _locked(session: AsyncSession, digest: bytes) -> tuple[Member, RefreshToken] | None:
    """The token and its member, whose row is held: one member's refresh tokens change one after the other."""
    token = await session.get(RefreshToken, digest)
    if token is None:
        return None
    member = await session.get(Member, token.org_member_id, with_for_update={"key_share": True})
    # Read again: it may have been spent or revoked while we waited.
    token = await session.get(RefreshToken, digest, populate_existing=True)
    return None if member is None or token is None else (member, token)


def _grant(session: AsyncSession, member: Member, family_id: str) -> Grant:
    refresh_token = secrets.token_urlsafe(32)
    session.add(
        RefreshToken(
            token_digest=digest_of(refresh_token),
            family_id=family_id,
            org_member_id=member.org_member_id,
            expires_at=datetime.now(UTC) + settings().refresh_token_lifetime,
        )
    )
    return Grant(member.org_member_id, issue_access_token(member), refresh_token)


async def _end_family(session: AsyncSession, token: RefreshToken) -> None:
    await session.execute(delete(RefreshToken).where(RefreshToken.family_id == token.family_id))
