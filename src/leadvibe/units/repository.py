"""The OUs of an organization."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.active_unit import units_of
from leadvibe.access.authentication.credential_cache import announce_access_change
from leadvibe.access.models import Organization
from leadvibe.core.http.problems import Invalid, NotFound, constraint_means
from leadvibe.core.ids import new_id
from leadvibe.core.scope import OrgScope, Role, Scope
from leadvibe.limits import check_limit
from leadvibe.rulesets.versions import create_configuration
from leadvibe.units.models import OrgUnit, UnitMembership
from leadvibe.units.slugs import slug_of

constraint_means("uq_org_units_org_id_slug", "name: another OU has this name, or a name with the same slug.")


@dataclass(frozen=True, slots=True)
class UnitList:
    units: Sequence[OrgUnit]
    organization: Organization


class UnitRepository:
    def __init__(self, session: AsyncSession, caller: OrgScope) -> None:
        self.session = session
        self.caller = caller

    async def list(self) -> UnitList:
        """The OUs that the caller can access, the default OU first."""
        units = await self.session.scalars(
            units_of(self.caller).order_by(OrgUnit.is_default.desc(), OrgUnit.name, OrgUnit.unit_id)
        )
        organization = await self.session.get_one(Organization, self.caller.org_id)
        return UnitList(units.all(), organization)

    async def get(self, unit_id: str) -> OrgUnit:
        unit = await self.session.scalar(units_of(self.caller).where(OrgUnit.unit_id == unit_id))
        if unit is None:
            raise NotFound
        return unit

    async def create(self, name: str) -> OrgUnit:
        """Create an OU with the caller as its Owner and the first version of its configuration."""
        existing = select(OrgUnit.unit_id).where(OrgUnit.org_id == self.caller.org_id)
        await check_limit(self.session, existing, "max_units", noun="OUs in this organization")
        unit = OrgUnit(unit_id=new_id("unit"), org_id=self.caller.org_id, name=name, slug=_slug(name))
        self.session.add(unit)
        await self.session.flush()
        self.session.add(UnitMembership(unit_id=unit.unit_id, org_member_id=self.caller.actor.id, role=Role.OWNER))
        scope = Scope(org_id=unit.org_id, actor=self.caller.actor, admin=True, unit_id=unit.unit_id, role=Role.OWNER)
        await create_configuration(self.session, scope)
        return unit

    async def change(self, unit_id: str, name: str, changes: Mapping[str, str | None]) -> OrgUnit:
        """Rename an OU, and set its phone region if the changes contain one."""
        unit = await self.get(unit_id)
        unit.name, unit.slug = name, _slug(name)
        if "phone_region" in changes:
            unit.phone_region = changes["phone_region"]
            await announce_access_change(self.session)
        await self.session.flush()
        return unit


def _slug(name: str) -> str:
    slug = slug_of(name)
    if not slug:
        raise Invalid.field("name", "must contain a letter or a digit")
    return slug
