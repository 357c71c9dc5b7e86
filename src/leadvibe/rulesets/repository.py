"""Rulesets, and how all objects of the scoring configuration are changed: each change makes a version."""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from sqlalchemy import func, select, update

from leadvibe.core.database.models import Tenant
from leadvibe.core.database.repository import Repository
from leadvibe.core.http.problems import Conflict, Invalid, constraint_means
from leadvibe.core.ids import new_id
from leadvibe.limits import check_limit
from leadvibe.rulesets.models import Rule, Ruleset
from leadvibe.rulesets.versions import configuration_change

M = TypeVar("M", bound=Tenant)
Values = Mapping[str, Any]

constraint_means("uq_rulesets_unit_id_name", "name: another ruleset already has this name.")


class ConfigurationRepository(Repository[M]):
    """Objects that scoring depends on."""

    id_name: ClassVar[str]
    id_prefix: ClassVar[str]
    limit: ClassVar[str]
    """The setting for the maximum number of these objects."""
    noun: ClassVar[str]
    """What they are called, in the plural."""

    async def all(self) -> list[M]:
        """In order of creation."""
        return list(await self.session.scalars(self._select().order_by(self.id_name)))

    async def create(self, values: Values) -> M:
        async with configuration_change(self.session, self.scope):
            await check_limit(self.session, self._select(), self.limit, noun=self.noun)
            columns = await self._to_columns(values, None)
            return await super().create({self.id_name: new_id(self.id_prefix), **columns})

    async def change(self, id_: str, values: Values) -> M:
        """Set the given values; the others stay."""
        async with configuration_change(self.session, self.scope):
            row = await self.get(id_)
            return await self.update(row, await self._to_columns(values, row))

    async def remove(self, id_: str) -> None:
        async with configuration_change(self.session, self.scope):
            await self.delete(await self.get(id_))

    async def _to_columns(self, values: Values, row: M | None) -> Values:
        """The values to store. Checks them against the row they change, which is None for a new one."""
        return values


class PrimaryRequired(Conflict):
    detail = "This is the primary ruleset. Make another ruleset primary first."


class RulesetRepository(ConfigurationRepository[Ruleset]):
    model = Ruleset
    id_name = "ruleset_id"
    id_prefix = "rs"
    limit = "max_rulesets"
    noun = "rulesets in this OU"

    async def primary(self) -> Ruleset | None:
        return await self.session.scalar(self._select().where(Ruleset.is_primary))

    async def delete(self, row: Ruleset) -> None:
        """Delete the ruleset with its rules. The leads' scores in it stay."""
        if row.is_primary and await self._count() > 1:
            raise PrimaryRequired
        await super().delete(row)

    async def _to_columns(self, values: Values, row: Ruleset | None) -> Values:
        check_active_period(values, row)
        if row is None and await self._count() == 0:
            return {**values, "is_primary": True}
        match values.get("is_primary"):
            case True if row is None or not row.is_primary:
                await self._clear_primary()
            case False if row is not None and row.is_primary:
                raise PrimaryRequired
            case _:
                pass
        return values

    async def _clear_primary(self) -> None:
        await self.session.execute(
            update(Ruleset)
            .where(Ruleset.unit_id == self.scope.unit_id, Ruleset.is_primary)
            .values(is_primary=False, updated_by=self.scope.actor.id)
        )

    async def _count(self) -> int:
        return await self.session.scalar(select(func.count()).select_from(self._select().subquery())) or 0


def check_active_period(values: Values, row: Ruleset | Rule | None) -> None:
    """`Invalid` unless `end_at` is later than `start_at`. What `values` doesn't contain comes from the row."""
    start, end = (values.get(name, getattr(row, name, None)) for name in ("start_at", "end_at"))
    if start is not None and end is not None and end <= start:
        raise Invalid.field("end_at", "must be later than start_at")
