"""Sign-in by password, refresh tokens, sign-out and change of password."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.authentication.access_tokens import issue_access_token, signed_in_by
from leadvibe.access.authentication.digests import secret_digest
from leadvibe.access.authentication.passwords import hash_password, needs_rehash, refuse_weak, verify_password
from leadvibe.access.authentication.proofs import end_all_access, end_sign_in
from leadvibe.access.models import Member, Organization, RefreshToken, SignIn
from leadvibe.access.sign_in.throttle import AttemptsFrom
from leadvibe.config import settings
from leadvibe.core.database.transactions import Pool, transaction
from leadvibe.core.http.problems import Invalid, NotAuthenticated
from leadvibe.core.ids import new_id


class SignInRefused(NotAuthenticated):
    detail = "The e-mail address or the password is wrong."


class SignedOut(NotAuthenticated):
    detail = "There is no sign-in to refresh, or it has ended. Sign in again."


@dataclass(frozen=True, slots=True)
class Grant:
    """A short-lived access token, and the refresh token for the next one."""

    org_member_id: str
    sign_in_id: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


async def sign_in(email: str, password: str, attempts: AttemptsFrom) -> Grant:
    async with transaction(None, pool=Pool.ACCESS) as session:
        member = await session.scalar(select(Member).where(Member.email == email.strip().lower()))
    with attempts.on(email):
        if not await verify_password(password, member and member.password_hash) or member is None:
            raise SignInRefused
    # Hashing takes time, so no transaction is open meanwhile.
    new_hash = await hash_password(password) if needs_rehash(member.password_hash or "") else None
    async with transaction(None, pool=Pool.ACCESS) as session:
        unchanged = await _lock_member(session, member)
        if new_hash is not None:
            unchanged.password_hash = new_hash
        expired = SignIn.expires_at <= datetime.now(UTC)
        await session.execute(delete(SignIn).where(SignIn.org_member_id == member.org_member_id, expired))
        return await _new_sign_in(session, unchanged)


async def change_password(
    org_member_id: str, current_password: str, new_password: str, attempts: AttemptsFrom
) -> Grant:
    """Set a new password, end all access of the member, and sign the member in again."""
    async with transaction(None, pool=Pool.ACCESS) as session:
        member = await session.get_one(Member, org_member_id)
        organization = await session.get_one(Organization, member.org_id)
    with attempts.on(member.email):
        if not await verify_password(current_password, member.password_hash):
            raise Invalid.field("current_password", "is not your password")
    refuse_weak(new_password, "new_password", member.email, organization.name)
    new_hash = await hash_password(new_password)
    async with transaction(None, pool=Pool.ACCESS) as session:
        unchanged = await _lock_member(session, member)
        unchanged.password_hash = new_hash
        await session.flush()
        await end_all_access(session, org_member_id)
        return await _new_sign_in(session, unchanged)


async def refresh(refresh_token: str | None) -> Grant:
    """The next grant. Reusing a spent token means that somebody copied it, so this ends the sign-in."""
    if refresh_token is None:
        raise SignedOut
    async with transaction(None, pool=Pool.ACCESS) as session:
        grant = await _next_grant(session, secret_digest(refresh_token))
    # Raise after the commit, so that the end of the sign-in isn't rolled back.
    if grant is None:
        raise SignedOut
    return grant


async def sign_out(refresh_token: str | None, authorization: str | None) -> None:
    """End the sign-in of the refresh token, and that of the access token."""
    async with transaction(None, pool=Pool.ACCESS) as session:
        ended = {signed_in_by(authorization)}
        if refresh_token is not None:
            locked = await _lock_token(session, secret_digest(refresh_token))
            ended.add(locked and locked[1].sign_in_id)
        for sign_in_id in sorted(filter(None, ended)):
            await end_sign_in(session, sign_in_id)


async def _lock_member(session: AsyncSession, verified: Member) -> Member:
    """Lock the member's row. `SignInRefused` if the password has changed since it was verified."""
    member = await session.scalar(
        select(Member)
        .where(Member.org_member_id == verified.org_member_id, Member.password_hash == verified.password_hash)
        .with_for_update(key_share=True)
    )
    if member is None:
        raise SignInRefused
    return member


async def _new_sign_in(session: AsyncSession, member: Member) -> Grant:
    row = SignIn(sign_in_id=new_id("si"), org_member_id=member.org_member_id, expires_at=_expiry())
    session.add(row)
    await session.flush()
    return _grant(session, member, row.sign_in_id)


async def _next_grant(session: AsyncSession, digest: bytes) -> Grant | None:
    locked = await _lock_token(session, digest)
    if locked is None:
        return None
    member, current, token = locked
    now = datetime.now(UTC)
    if current.expires_at <= now:
        return None
    if token.spent_at is not None:
        await end_sign_in(session, current.sign_in_id)
        return None
    token.spent_at = now
    current.expires_at = _expiry()
    return _grant(session, member, current.sign_in_id)


async def _lock_token(session: AsyncSession, digest: bytes) -> tuple[Member, SignIn, RefreshToken] | None:
    """The member, the sign-in and the token. Locks them, so that concurrent refreshes run one after the other."""
    row = (
        await session.execute(
            select(Member, SignIn.sign_in_id)
            .join(SignIn, SignIn.org_member_id == Member.org_member_id)
            .join(RefreshToken, RefreshToken.sign_in_id == SignIn.sign_in_id)
            .where(RefreshToken.token_digest == digest)
            .with_for_update(key_share=True, of=Member)
        )
    ).one_or_none()
    if row is None:
        return None
    member, sign_in_id = row
    current = await session.get(SignIn, sign_in_id, with_for_update={"key_share": True})
    # Read after the locks: another request may have spent the token or ended the sign-in before this one got them.
    token = await session.get(RefreshToken, digest)
    return None if current is None or token is None else (member, current, token)


def _grant(session: AsyncSession, member: Member, sign_in_id: str) -> Grant:
    refresh_token = secrets.token_urlsafe(32)
    session.add(RefreshToken(token_digest=secret_digest(refresh_token), sign_in_id=sign_in_id))
    return Grant(member.org_member_id, sign_in_id, issue_access_token(member, sign_in_id), refresh_token)


def _expiry() -> datetime:
    return datetime.now(UTC) + settings().refresh_token_lifetime
