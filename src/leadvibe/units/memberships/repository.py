"""The members of an OU and their roles in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import exists, select

from leadvibe.access.authentication.credential_cache import announce_access_change
from leadvibe.access.members.repository import LastOwner
from leadvibe.access.models import Member
from leadvibe.core.database.repository import Repository
from leadvibe.core.http.problems import Forbidden, NotFound
from leadvibe.core.scope import Role
from leadvibe.units.models import OrgUnit, UnitMembership


@dataclass(frozen=True, slots=True)
class UnitMember:
    org_member_id: str
    first_name: str
    last_name: str
    email: str
    role: str
    unit_id: str


class MembershipRepository(Repository[UnitMembership]):
    model: ClassVar = UnitMembership

    async def list(self) -> Sequence[UnitMember]:
        rows = await self.session.execute(
            select(Member, UnitMembership.role)
            .join(UnitMembership, UnitMembership.org_member_id == Member.org_member_id)
            .where(UnitMembership.unit_id == self.scope.unit_id)
            .order_by(UnitMembership.created_at, Member.org_member_id)
        )
        return [self._unit_member(member, role) for member, role in rows]

    async def get_member(self, org_member_id: str) -> UnitMember:
        membership = await self.get(org_member_id)
        return self._unit_member(await self._member(org_member_id), membership.role)

    async def assign(self, org_member_id: str, role: Role | None) -> None:
        """Add a member of the organization to the OU, or change their role in it.

        Without a role, a new member becomes a Viewer and a present member keeps their role.
        """
        await self._lock()
        await self._member(org_member_id)
        membership = await self.find(org_member_id)
        if membership is not None:
            if role is not None:
                await self._change(membership, role)
            return
        role = role or Role.VIEWER
        self._require_owner_for(role)
        await self.create({"org_member_id": org_member_id, "role": role})

    async def change(self, org_member_id: str, role: Role) -> UnitMember:
        await self._lock()
        membership = await self.get(org_member_id)
        await self._change(membership, role)
        return self._unit_member(await self._member(org_member_id), role)

    async def remove(self, org_member_id: str) -> None:
        await self._lock()
        membership = await self.get(org_member_id)
        self._require_owner_for(membership.role)
        await self._require_another_owner(membership)
        await self.delete(membership)
        await announce_access_change(self.session)

    async def _change(self, membership: UnitMembership, role: Role) -> None:
        self._require_owner_for(membership.role, role)
        if role != Role.OWNER:
            await self._require_another_owner(membership)
        await self.update(membership, {"role": role})

    def _require_owner_for(self, *roles: str) -> None:
        if Role.OWNER in roles and self.scope.role != Role.OWNER:
            raise Forbidden("Only an Owner of the OU can add, change or remove an Owner.")

    async def _require_another_owner(self, membership: UnitMembership) -> None:
        another = exists().where(
            UnitMembership.unit_id == self.scope.unit_id,
            UnitMembership.role == Role.OWNER,
            UnitMembership.org_member_id != membership.org_member_id,
        )
        if membership.role == Role.OWNER and not await self.session.scalar(select(another)):
            raise LastOwner

    async def _member(self, org_member_id: str) -> Member:
        member = await self.session.scalar(
            select(Member).where(Member.org_id == self.scope.org_id, Member.org_member_id == org_member_id)
        )
        if member is None:
            raise NotFound
        return member

    async def _lock(self) -> None:
        """Serialize changes to the OU's memberships. Otherwise two Owners could remove each other."""
        await self.session.execute(
            select(OrgUnit.unit_id).where(OrgUnit.unit_id == self.scope.unit_id).with_for_update(key_share=True)
        )

    def _unit_member(self, member: Member, role: str) -> UnitMember:
        return UnitMember(
            member.org_member_id, member.first_name, member.last_name, member.email, role, self.scope.unit_id
        )
