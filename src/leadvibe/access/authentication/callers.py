"""Who sends a request: a member with a bearer token, or a program with an API credential."""

from sqlalchemy import ColumnElement, select

from leadvibe.access.authentication import access_tokens, external_issuer, personal_tokens
from leadvibe.access.authentication.credential_cache import credential_cache
from leadvibe.access.authentication.credentials import verify_credential
from leadvibe.access.models import Member
from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import NotAuthenticated
from leadvibe.core.scope import Actor, OrgScope


async def caller_of(authorization: str | None) -> OrgScope:
    """The caller that an `Authorization` header authenticates.

    For a credential this is a complete `Scope`. For a member it is an `OrgScope`, without an OU.
    """
    scheme, _, value = (authorization or "").strip().partition(" ")
    value = value.strip()
    match scheme.lower():
        case "basic":
            return await credential_cache.get(value, lambda: verify_credential(value))
        case "bearer" if value.startswith(personal_tokens.PREFIX):
            return _scope(await personal_tokens.verify_personal_token(value))
        case "bearer" if access_tokens.algorithm_of(value) == access_tokens.ALGORITHM:
            return await member_caller(access_tokens.read_access_token(value))
        case "bearer":
            return await _find_member(Member.email == await external_issuer.email_of(value))
        case _:
            raise NotAuthenticated


async def member_caller(org_member_id: str) -> OrgScope:
    return await _find_member(Member.org_member_id == org_member_id)


async def _find_member(condition: ColumnElement[bool]) -> OrgScope:
    async with transaction(None) as session:
        member = await session.scalar(select(Member).where(condition))
    if member is None:
        raise NotAuthenticated("The member of this token doesn't exist in the organization.")
    return _scope(member)


def _scope(member: Member) -> OrgScope:
    actor = Actor("member", member.org_member_id, member.email)
    return OrgScope(org_id=member.org_id, actor=actor, admin=member.role == "admin")
