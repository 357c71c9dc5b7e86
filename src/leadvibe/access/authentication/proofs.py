"""Whether what authenticated a caller still stands, and how to end it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, delete, exists, or_, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.authentication.credential_cache import announce_access_change
from leadvibe.access.models import ApiCredential, Member, PersonalToken, SignIn
from leadvibe.core.http.problems import NotAuthenticated
from leadvibe.core.scope import OrgScope, Proof, Scope
from leadvibe.units.models import UnitMembership


class AccessEnded(NotAuthenticated):
    detail = "The sign-in or the token has ended, or its member doesn't exist. Sign in again."


def belongs_to_member(proof: Proof) -> ColumnElement[bool]:
    """A condition on `Member`: the proof is the member's and has not ended."""
    match proof.kind:
        case "sign_in":
            return exists().where(
                SignIn.sign_in_id == proof.id, SignIn.org_member_id == Member.org_member_id, _is_current_sign_in()
            )
        case "personal_token":
            return exists().where(
                PersonalToken.token_id == proof.id,
                PersonalToken.org_member_id == Member.org_member_id,
                _is_current_token(),
            )
        case _:
            return true()


async def hold(session: AsyncSession, caller: OrgScope) -> None:
    """Keep the caller's proof from ending before the transaction does. `AccessEnded` if it has ended already."""
    proof = caller.proof
    if proof is None:
        return
    held: object = proof
    if proof.kind == "sign_in":
        query = select(SignIn.sign_in_id).where(SignIn.sign_in_id == proof.id, _is_current_sign_in())
        held = await session.scalar(query.with_for_update(read=True, key_share=True))
    elif proof.kind == "personal_token":
        query = select(PersonalToken.token_id).where(PersonalToken.token_id == proof.id, _is_current_token())
        held = await session.scalar(query.with_for_update(read=True, key_share=True))
    if held is None:
        raise AccessEnded


async def end_sign_in(session: AsyncSession, sign_in_id: str) -> None:
    await session.execute(delete(SignIn).where(SignIn.sign_in_id == sign_in_id))
    await announce_access_change(session)


async def end_all_access(session: AsyncSession, org_member_id: str) -> None:
    """End all sign-ins and personal tokens of a member."""
    await session.execute(delete(SignIn).where(SignIn.org_member_id == org_member_id))
    await session.execute(delete(PersonalToken).where(PersonalToken.org_member_id == org_member_id))
    await announce_access_change(session)


async def scopes_with_access(session: AsyncSession, scopes: Sequence[Scope]) -> list[bool]:
    """For each scope whether its caller may still access its OU. The number of queries is the same for any number."""
    now = datetime.now(UTC)
    proofs = await _current_proofs(session, scopes)
    members = await _members(session, scopes)
    return [
        scope.proof is None
        or (
            (scope.proof.expires_at is None or scope.proof.expires_at > now)
            and (scope.proof.kind == "issuer" or (scope.proof.kind, scope.proof.id) in proofs)
            and (scope.proof.kind == "credential" or (scope.unit_id, scope.actor.id) in members)
        )
        for scope in scopes
    ]


async def _current_proofs(session: AsyncSession, scopes: Sequence[Scope]) -> set[tuple[str, str]]:
    ids: dict[str, set[str]] = {}
    for scope in scopes:
        if scope.proof is not None:
            ids.setdefault(scope.proof.kind, set()).add(scope.proof.id)
    current = set[tuple[str, str]]()
    for kind, column, condition in (
        ("sign_in", SignIn.sign_in_id, _is_current_sign_in()),
        ("personal_token", PersonalToken.token_id, _is_current_token()),
    ):
        if kind in ids:
            found = await session.scalars(select(column).where(column.in_(ids[kind]), condition))
            current |= {(kind, id_) for id_ in found}
    if "credential" in ids:
        keys = {(scope.unit_id, scope.actor.id) for scope in scopes if scope.actor.kind == "credential"}
        found = await session.scalars(
            select(ApiCredential.secret_id).where(tuple_(ApiCredential.unit_id, ApiCredential.secret_id).in_(keys))
        )
        current |= {("credential", id_) for id_ in found}
    return current


async def _members(session: AsyncSession, scopes: Sequence[Scope]) -> set[tuple[str, str]]:
    """The pairs of OU and member among the scopes that still are a membership, or an admin's."""
    wanted = {(scope.unit_id, scope.actor.id) for scope in scopes if scope.actor.kind == "member"}
    if not wanted:
        return set()
    admins = set(
        await session.scalars(
            select(Member.org_member_id).where(
                Member.org_member_id.in_({member_id for _, member_id in wanted}), Member.role == "admin"
            )
        )
    )
    memberships = await session.execute(
        select(UnitMembership.unit_id, UnitMembership.org_member_id).where(
            tuple_(UnitMembership.unit_id, UnitMembership.org_member_id).in_(wanted)
        )
    )
    joined = {(unit_id, member_id) for unit_id, member_id in memberships}
    return {pair for pair in wanted if pair in joined or pair[1] in admins}


def _is_current_sign_in() -> ColumnElement[bool]:
    return SignIn.expires_at > datetime.now(UTC)


def _is_current_token() -> ColumnElement[bool]:
    return or_(PersonalToken.expires_at.is_(None), PersonalToken.expires_at > datetime.now(UTC))
