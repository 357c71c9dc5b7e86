"""The rules of an OU's rulesets."""

from sqlalchemy.dialects.postgresql import insert

from leadvibe.core.http.problems import Invalid, NotFound, constraint_means
from leadvibe.events.models import EventType
from leadvibe.rulesets.models import Rule
from leadvibe.rulesets.repository import ConfigurationRepository, RulesetRepository, Values, check_active_period
from leadvibe.rulesets.rules.attribute_filters import filters_key

constraint_means(
    "uq_rules_unit_id_ruleset_id_event_type_filters_key",
    "A rule for this event type already exists in the ruleset. A second one needs other attribute filters.",
)


class RuleRepository(ConfigurationRepository[Rule]):
    model = Rule
    id_name = "rule_id"
    id_prefix = "rl"
    limit = "max_rules"
    noun = "rules in this OU"

    async def of(self, ruleset_id: str) -> list[Rule]:
        await RulesetRepository(self.session, self.scope).get(ruleset_id)
        query = self._select().where(Rule.ruleset_id == ruleset_id).order_by(Rule.rule_id)
        return list(await self.session.scalars(query))

    async def _to_columns(self, values: Values, row: Rule | None) -> Values:
        check_active_period(values, row)
        columns = dict(values)
        if row is None or "ruleset_id" in values:
            columns["ruleset_id"] = await self._existing_ruleset(values["ruleset_id"])
        if "attribute_filters" in values:
            columns["filters_key"] = filters_key(values["attribute_filters"])
        if "event_type" in values:
            await self._add_event_type(values["event_type"])
        return columns

    async def _existing_ruleset(self, ruleset_id: str | None) -> str:
        """The ID of this ruleset, or of the primary one if None."""
        rulesets = RulesetRepository(self.session, self.scope)
        ruleset = await (rulesets.primary() if ruleset_id is None else rulesets.find(ruleset_id))
        if ruleset is not None:
            return ruleset.ruleset_id
        if ruleset_id is None:
            raise Invalid.field("ruleset_id", "is required, because the OU has no primary ruleset")
        message = "no ruleset of this OU has this ID"
        raise NotFound(f"ruleset_id: {message}", fields={"ruleset_id": message})

    async def _add_event_type(self, event_type: str) -> None:
        """Add the type to the OU's event types, even before the first event of this type."""
        await self.session.execute(
            insert(EventType)
            .values(unit_id=self.scope.unit_id, event_type=event_type)
            .on_conflict_do_nothing(index_elements=["unit_id", "event_type"])
        )
