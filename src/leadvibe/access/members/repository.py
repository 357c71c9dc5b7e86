"""The members of an organization."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from leadvibe.access.active_unit import units_of
from leadvibe.access.authentication.credential_cache import announce_access_change
from leadvibe.access.authentication.passwords import hash_password, refuse_weak
from leadvibe.access.authentication.proofs import end_all_access
from leadvibe.access.models import Member, Organization
from leadvibe.core.http.problems import Conflict, NotFound, constraint_means
from leadvibe.core.ids import new_id
from leadvibe.core.scope import OrgScope, Role
from leadvibe.limits import check_limit
from leadvibe.units.models import OrgUnit, UnitMembership

constraint_means("uq_members_email", "email: another member already has this e-mail address.")


class LastAdmin(Conflict):
    detail = "This member is the organization's last admin. Make another member an admin first."


class LastOwner(Conflict):
    detail = "This member is the OU's last Owner. Make another member an Owner first."


@dataclass(frozen=True, slots=True)
class UnitRoleOfMember:
    unit_id: str
    unit_name: str
    role: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A member with their role in each OU."""

    org_member_id: str
    first_name: str
    last_name: str
    email: str
    role: str
    verified: bool
    created_at: datetime
    ou_memberships: list[UnitRoleOfMember] = field(default_factory=list)

    @classmethod
    def of(cls, member: Member) -> "Profile":
        return cls(
            member.org_member_id,
            member.first_name,
            member.last_name,
            member.email,
            member.role,
            member.verified,
            member.created_at,
        )


class MemberRepository:
    def __init__(self, session: AsyncSession, caller: OrgScope) -> None:
        self.session = session
        self.caller = caller

    async def list(self) -> Sequence[Profile]:
        members = await self.session.scalars(
            select(Member)
            .where(Member.org_id == self.caller.org_id, self._is_visible())
            .order_by(Member.created_at, Member.org_member_id)
        )
        return await self._profiles(members.all())

    async def get_profile(self, org_member_id: str) -> Profile:
        visible = select(Member.org_member_id).where(Member.org_member_id == org_member_id, self._is_visible())
        if await self.session.scalar(visible) is None:
            raise NotFound
        return (await self._profiles([await self.get(org_member_id)]))[0]

    async def get(self, org_member_id: str) -> Member:
        member = await self.session.scalar(
            select(Member)
            .where(Member.org_id == self.caller.org_id, Member.org_member_id == org_member_id)
            .execution_options(populate_existing=True)
        )
        if member is None:
            raise NotFound
        return member

    async def create(self, values: Mapping[str, Any]) -> Profile:
        existing = select(Member.org_member_id).where(Member.org_id == self.caller.org_id)
        await check_limit(self.session, existing, "max_members", noun="members in this organization")
        await self._check_password(values, str(values["email"]))
        columns = await _to_columns(values)
        member = Member(org_member_id=new_id("om"), org_id=self.caller.org_id, **columns)
        self.session.add(member)
        await self.session.flush()
        return Profile.of(member)

    async def update(self, org_member_id: str, values: Mapping[str, Any]) -> Profile:
        if "password" in values:
            email = values.get("email") or (await self.get(org_member_id)).email
            await self._check_password(values, str(email))
        columns = await _to_columns(values)
        await self._lock()
        member = await self.get(org_member_id)
        if columns.get("role", "admin") != "admin":
            await self._require_another_admin(member)
        for name, value in columns.items():
            setattr(member, name, value)
        await self.session.flush()
        if "password_hash" in columns:
            await end_all_access(self.session, org_member_id)
        elif columns.keys() & {"role", "email"}:
            await announce_access_change(self.session)
        return (await self._profiles([member]))[0]

    async def delete(self, org_member_id: str) -> None:
        """Delete the account, and with it all memberships, tokens and sign-ins."""
        await self._lock()
        member = await self.get(org_member_id)
        await self._require_another_admin(member)
        await self._require_other_owners(member)
        await self.session.delete(member)
        await self.session.flush()
        await announce_access_change(self.session)

    def _is_visible(self) -> ColumnElement[bool]:
        """A condition on `Member`: the caller is an admin or the member, or shares an OU with the member."""
        if self.caller.admin:
            return true()
        units = units_of(self.caller).with_only_columns(OrgUnit.unit_id)
        theirs = aliased(UnitMembership)
        return or_(
            Member.org_member_id == self.caller.actor.id,
            exists().where(theirs.org_member_id == Member.org_member_id, theirs.unit_id.in_(units)),
        )

    async def _check_password(self, values: Mapping[str, Any], email: str) -> None:
        organization = await self.session.get_one(Organization, self.caller.org_id)
        refuse_weak(values["password"], "password", email, organization.name)

    async def _profiles(self, members: Sequence[Member]) -> Sequence[Profile]:
        profiles = {member.org_member_id: Profile.of(member) for member in members}
        roles = await self.session.execute(
            select(UnitMembership.org_member_id, OrgUnit.unit_id, OrgUnit.name, UnitMembership.role)
            .join(OrgUnit, OrgUnit.unit_id == UnitMembership.unit_id)
            .where(OrgUnit.org_id == self.caller.org_id, UnitMembership.org_member_id.in_(profiles))
            .order_by(OrgUnit.name, OrgUnit.unit_id)
        )
        for org_member_id, unit_id, unit_name, role in roles:
            profiles[org_member_id].ou_memberships.append(UnitRoleOfMember(unit_id, unit_name, role))
        return list(profiles.values())

    async def _lock(self) -> None:
        """Serialize changes to the organization's members. Otherwise two admins could delete each other."""
        await self.session.execute(
            select(Organization.org_id).where(Organization.org_id == self.caller.org_id).with_for_update(key_share=True)
        )

    async def _require_another_admin(self, member: Member) -> None:
        another = exists().where(
            Member.org_id == member.org_id, Member.role == "admin", Member.org_member_id != member.org_member_id
        )
        if member.role == "admin" and not await self.session.scalar(select(another)):
            raise LastAdmin

    async def _require_other_owners(self, member: Member) -> None:
        owned = (
            UnitMembership.unit_id == OrgUnit.unit_id,
            UnitMembership.org_member_id == member.org_member_id,
            UnitMembership.role == Role.OWNER,
        )
        await self.session.execute(
            select(OrgUnit.unit_id)
            .where(OrgUnit.org_id == member.org_id, exists().where(*owned))
            .order_by(OrgUnit.unit_id)
            .with_for_update(key_share=True)
        )
        other = aliased(UnitMembership)
        another = exists().where(
            other.unit_id == OrgUnit.unit_id,
            other.role == Role.OWNER,
            other.org_member_id != member.org_member_id,
        )
        name = await self.session.scalar(
            select(OrgUnit.name).where(OrgUnit.org_id == member.org_id, exists().where(*owned), ~another).limit(1)
        )
        if name is not None:
            raise LastOwner(f"This member is the last Owner of the OU {name}. Make another member an Owner first.")


async def _to_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values by column name, with the password hashed."""
    columns = dict(values)
    if "password" in columns:
        columns["password_hash"] = await hash_password(columns.pop("password"))
    return columns
