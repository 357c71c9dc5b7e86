"""Scoring settings: two belong to the organization, one to the OU."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.access.models import Organization
from leadvibe.core.database.transactions import confined_to
from leadvibe.core.http.problems import Forbidden
from leadvibe.core.scope import Scope
from leadvibe.rulesets.locks import lock_configurations
from leadvibe.rulesets.versions import new_version
from leadvibe.units.models import OrgUnit

ORGANIZATION_WIDE = ("allow_negative_scores", "abm_enabled")


class AdminsOnly(Forbidden):
    detail = "Only an admin of the organization can change allow_negative_scores and abm_enabled."


@dataclass(frozen=True, slots=True)
class ScoringSettings:
    allow_negative_scores: bool
    abm_enabled: bool
    session_timeout_minutes: int


class ScoringSettingsRepository:
    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def get(self) -> ScoringSettings:
        settings = await self.session.execute(
            select(Organization.allow_negative_scores, Organization.abm_enabled, OrgUnit.session_timeout_minutes)
            .join(OrgUnit, OrgUnit.org_id == Organization.org_id)
            .where(OrgUnit.unit_id == self.scope.unit_id)
        )
        return ScoringSettings(*settings.one())

    async def change(self, values: Mapping[str, Any]) -> ScoringSettings:
        """Set the given values. Each OU whose scoring this changes gets a new configuration version."""
        organization_wide = {name: value for name, value in values.items() if name in ORGANIZATION_WIDE}
        if organization_wide and not self.scope.admin:
            raise AdminsOnly
        units = await self._all_units() if organization_wide else [self.scope.unit_id]
        await lock_configurations(self.session, units)
        await self._store(organization_wide, {name: values[name] for name in values.keys() - organization_wide.keys()})
        for unit_id in units:
            scope = replace(self.scope, unit_id=unit_id)
            with confined_to(self.session, scope):
                await new_version(self.session, scope)
        return await self.get()

    async def _all_units(self) -> Sequence[str]:
        """The organization's OUs. The lock keeps others from creating an OU until the commit."""
        organization = select(Organization.org_id).where(Organization.org_id == self.scope.org_id)
        await self.session.execute(organization.with_for_update(key_share=True))
        return (await self.session.scalars(select(OrgUnit.unit_id).where(OrgUnit.org_id == self.scope.org_id))).all()

    async def _store(self, organization_wide: Mapping[str, Any], of_unit: Mapping[str, Any]) -> None:
        if organization_wide:
            organization = update(Organization).where(Organization.org_id == self.scope.org_id)
            await self.session.execute(organization.values(**organization_wide))
        if of_unit:
            unit = update(OrgUnit).where(OrgUnit.unit_id == self.scope.unit_id)
            await self.session.execute(unit.values(**of_unit))
