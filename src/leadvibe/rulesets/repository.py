"""The configuration of scoring in one OU; each change of it makes a version."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from operator import itemgetter
from typing import Any, ClassVar, TypeVar

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from leadvibe.core.database.models import Tenant
from leadvibe.core.database.repository import Repository
from leadvibe.core.http.problems import Conflict, Invalid, NotFound, constraint_means
from leadvibe.core.ids import new_id
from leadvibe.events.models import EventType
from leadvibe.rulesets.attribute_filters import filters_key
from leadvibe.rulesets.models import Decay, InorganicFilter, Rule, Ruleset, SurgePolicy
from leadvibe.rulesets.snapshots import read_surge_policy
from leadvibe.rulesets.versions import configuration_change

M = TypeVar("M", bound=Tenant)
Values = Mapping[str, Any]
Band = Mapping[str, Any]

constraint_means("uq_rulesets_unit_id_name", "There is a ruleset of this name already.")
constraint_means(
    "uq_rules_unit_id_ruleset_id_event_type_filters_key",
    "The ruleset has a rule for this event type already; another one needs other attribute filters.",
)


class Configuration(Repository[M]):
    """Rows that scoring depends on."""

    id_name: ClassVar[str]
    id_prefix: ClassVar[str]

    async def all(self) -> list[M]:
        """In the order they were made."""
        return list(await self.session.scalars(self._select().order_by(self.id_name)))

    async def create(self, values: Values) -> M:
        async with configuration_change(self.session, self.scope):
            settled = await self._settled(values, None)
            return await super().create({self.id_name: new_id(self.id_prefix), **settled})

    async def change(self, id_: str, values: Values) -> M:
        """Set the values that were sent and leave the others."""
        async with configuration_change(self.session, self.scope):
            row = await self.get(id_)
            return await self.update(row, await self._settled(values, row))

    async def remove(self, id_: str) -> None:
        async with configuration_change(self.session, self.scope):
            await self.delete(await self.get(id_))

    async def _settled(self, values: Values, row: M | None) -> Values:
        """The values to store for those that were sent, if they are right for this row or, if None, a new one."""
        return values


class PrimaryNeeded(Conflict):
    detail = "One ruleset is the primary one: make another ruleset primary instead."


class RulesetRepository(Configuration[Ruleset]):
    model = Ruleset
    id_name = "ruleset_id"
    id_prefix = "rs"

    async def primary(self) -> Ruleset | None:
        return await self.session.scalar(self._select().where(Ruleset.is_primary))

    async def delete(self, row: Ruleset) -> None:
        """Its rules go with it; the scores that leads have in it stay."""
        if row.is_primary and await self._count() > 1:
            raise PrimaryNeeded
        await super().delete(row)

    async def _settled(self, values: Values, row: Ruleset | None) -> Values:
        check_window(values, row)
        if row is None and await self._count() == 0:
            return {**values, "is_primary": True}
        match values.get("is_primary"):
            case True if row is None or not row.is_primary:
                await self._clear_primary()
            case False if row is not None and row.is_primary:
                raise PrimaryNeeded
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


class RuleRepository(Configuration[Rule]):
    model = Rule
    id_name = "rule_id"
    id_prefix = "rl"

    async def of(self, ruleset_id: str) -> list[Rule]:
        await RulesetRepository(self.session, self.scope).get(ruleset_id)
        query = self._select().where(Rule.ruleset_id == ruleset_id).order_by(Rule.rule_id)
        return list(await self.session.scalars(query))

    async def _settled(self, values: Values, row: Rule | None) -> Values:
        check_window(values, row)
        settled = dict(values)
        if row is None or "ruleset_id" in values:
            settled["ruleset_id"] = await self._ruleset_of(values)
        if "attribute_filters" in values:
            settled["filters_key"] = filters_key(values["attribute_filters"])
        if "event_type" in values:
            await self._register(values["event_type"])
        return settled

    async def _ruleset_of(self, values: Values) -> str:
        rulesets = RulesetRepository(self.session, self.scope)
        named = values["ruleset_id"]
        ruleset = await (rulesets.primary() if named is None else rulesets.find(named))
        if ruleset is not None:
            return ruleset.ruleset_id
        if named is None:
            raise Invalid.field("ruleset_id", "is needed: there is no primary ruleset")
        raise NotFound("ruleset_id: there is no such ruleset", fields={"ruleset_id": "there is no such ruleset"})

    async def _register(self, event_type: str) -> None:
        """A type that a rule names is known from then on, seen or not."""
        await self.session.execute(
            insert(EventType)
            .values(unit_id=self.scope.unit_id, event_type=event_type)
            .on_conflict_do_nothing(index_elements=["unit_id", "event_type"])
        )


class DecayRepository(Configuration[Decay]):
    model = Decay
    id_name = "decay_id"
    id_prefix = "dc"


class InorganicFilterRepository(Configuration[InorganicFilter]):
    model = InorganicFilter
    id_name = "filter_id"
    id_prefix = "fl"


class SurgePolicyRepository(Repository[SurgePolicy]):
    model = SurgePolicy

    async def effective_policy(self) -> dict[str, Any]:
        policy = await read_surge_policy(self.session, self.scope)
        return {"org_id": self.scope.org_id, "unit_id": self.scope.unit_id, **asdict(policy)}

    async def change(self, values: Values) -> dict[str, Any]:
        """Set the values that were sent. Leaving `custom` leaves its numbers behind."""
        async with configuration_change(self.session, self.scope):
            row = await self.session.scalar(self._select()) or await self.create({"mode": "standard"})
            if row.mode == "custom" and values.get("mode", "custom") != "custom":
                await self.update(row, {"idle_reset_seconds": None, "multiplier_cap": None})
            await self.update(row, values)
            await self.update(row, {"bands": in_order(row.bands) if row.mode == "custom" else None})
        return await self.effective_policy()


def check_window(values: Values, row: Ruleset | Rule | None) -> None:
    """A window, half of which may have been there before, must end after it starts."""
    start, end = (values.get(edge, getattr(row, edge, None)) for edge in ("start_at", "end_at"))
    if start is not None and end is not None and end <= start:
        raise Invalid.field("end_at", "must be later than start_at")


def in_order(bands: Sequence[Band] | None) -> list[Band]:
    """The bands from the first event on; Invalid if any is missing or one reaches into the next."""
    bands = sorted(bands or (), key=itemgetter("min_events"))
    if not bands:
        raise Invalid.field("bands", "are needed for the mode custom")
    if bands[0]["min_events"] != 1:
        raise Invalid.field("bands", "must start at min_events 1")
    if any(band["max_events"] is not None and band["max_events"] < band["min_events"] for band in bands):
        raise Invalid.field("bands", "must not have a max_events below its min_events")
    if any(band["max_events"] is None or band["max_events"] >= after["min_events"] for band, after in pairwise(bands)):
        raise Invalid.field("bands", "must not overlap")
    return bands
