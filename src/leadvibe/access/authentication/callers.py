"""Who sends a request: a member with a bearer token, or a program with an API credential."""

from sqlalchemy import ColumnElement, select

from leadvibe.access.authentication import access_tokens, external_issuer, personal_tokens
from leadvibe.access.authentication.credential_cache import credential_cache
from leadvibe.access.authentication.credentials import verify_credential
from leadvibe.access.authentication.proofs import AccessEnded, belongs_to_member
from leadvibe.access.models import Member
from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import NotAuthenticated
from leadvibe.core.scope import Actor, OrgScope, Proof


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
            member, token = await personal_tokens.verify_personal_token(value)
            return _scope(member, Proof("personal_token", token.token_id, token.expires_at))
        case "bearer" if access_tokens.algorithm_of(value) == access_tokens.ALGORITHM:
            claims = access_tokens.read_access_token(value)
            return await member_caller(claims.org_member_id, Proof("sign_in", claims.sign_in_id, claims.expires_at))
        case "bearer":
            email, expires_at = await external_issuer.read_issued_token(value)
            return await _find_member(Member.email == email, Proof("issuer", expires_at=expires_at))
        case _:
            raise NotAuthenticated


async def member_caller(org_member_id: str, proof: Proof) -> OrgScope:
    """The member, if the proof is theirs and has not ended."""
    return await _find_member(Member.org_member_id == org_member_id, proof)


async def _find_member(condition: ColumnElement[bool], proof: Proof) -> OrgScope:
    async with transaction(None) as session:
        member = await session.scalar(select(Member).where(condition, belongs_to_member(proof)))
    if member is None:
        raise AccessEnded
    return _scope(member, proof)


def _scope(member: Member, proof: Proof) -> OrgScope:
    actor = Actor("member", member.org_member_id, member.email)
    return OrgScope(org_id=member.org_id, actor=actor, admin=member.role == "admin", proof=proof)
