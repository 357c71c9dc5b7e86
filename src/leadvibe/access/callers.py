"""Who sends a request: a person with a bearer token, or a program with its credential."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, func, select, update

from leadvibe.access import cache, issuer, tokens
from leadvibe.access.credentials.verification import digest_of, scope_of_credential
from leadvibe.access.models import Member, PersonalToken
from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import NotAuthenticated
from leadvibe.core.scope import Actor, OrgScope

PERSONAL_TOKEN = "lv_pat_"  # noqa: S105 - the prefix that tells a personal token from a JWT
USE_NOTED_EVERY = timedelta(minutes=1)


async def caller_of(authorization: str | None) -> OrgScope:
    """The caller that an `Authorization` header proves; a program's scope is complete, a person's lacks the OU."""
    scheme, _, value = (authorization or "").strip().partition(" ")
    value = value.strip()
    match scheme.lower():
        case "basic":
            return await cache.credentials.get(value, lambda: scope_of_credential(value))
        case "bearer" if value.startswith(PERSONAL_TOKEN):
            return await _owner_of(value)
        case "bearer" if tokens.algorithm_of(value) == tokens.ALGORITHM:
            return await member_caller(tokens.read_access_token(value))
        case "bearer":
            return await _person(Member.email == await issuer.email_of(value))
        case _:
            raise NotAuthenticated


async def member_caller(org_member_id: str) -> OrgScope:
    return await _person(Member.org_member_id == org_member_id)


async def _person(condition: ColumnElement[bool]) -> OrgScope:
    async with transaction(None) as session:
        member = await session.scalar(select(Member).where(condition))
    if member is None:
        raise NotAuthenticated("There is no account here for this member.")
    return _scope(member)


async def _owner_of(token: str) -> OrgScope:
    async with transaction(None) as session:
        found = await session.execute(
            select(PersonalToken, Member)
            .join(Member, Member.org_member_id == PersonalToken.org_member_id)
            .where(PersonalToken.token_digest == digest_of(token))
        )
        row = found.one_or_none()
        if row is None:
            raise tokens.TokenInvalid("The personal token is not valid.")
        personal, member = row
        now = datetime.now(UTC)
        if personal.expires_at is not None and personal.expires_at <= now:
            raise tokens.TokenExpired("The personal token has expired.")
        if personal.last_used_at is None or now - personal.last_used_at >= USE_NOTED_EVERY:
            await session.execute(
                update(PersonalToken)
                .where(PersonalToken.token_id == personal.token_id)
                .values(last_used_at=func.now())
                .execution_options(synchronize_session=False)
            )
    return _scope(member)


def _scope(member: Member) -> OrgScope:
    actor = Actor("member", member.org_member_id, member.email)
    return OrgScope(org_id=member.org_id, actor=actor, admin=member.role == "admin")
