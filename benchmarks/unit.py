"""Creates the OU of a benchmark, with a small or a full configuration."""

from sqlalchemy import select

from benchmarks import loans
from leadvibe.core.database.migrations import migrate
from leadvibe.core.database.transactions import transaction
from leadvibe.core.ids import new_id
from leadvibe.core.scope import Scope, system_scope
from leadvibe.rulesets.models import Decay, InorganicFilter, Rule, Ruleset
from leadvibe.rulesets.versions import configuration_change
from leadvibe.server.bootstrap import bootstrap

LARGE_AMOUNT = [{"field": "amount", "operator": "gte", "value": 15_000}]


async def empty_unit(url: str) -> Scope:
    """Migrate the database, to which the application is connected already, and create an OU."""
    await migrate(url)
    created = await bootstrap(organization="Bench", unit="Bench", email="bench@example.com", password="a long password")
    assert created is not None
    return system_scope(created.org_id, created.unit_id)


async def add_twelve_rules(scope: Scope) -> None:
    """Add twelve rules to the primary ruleset. Every fourth one is negative."""
    async with transaction(scope) as session, configuration_change(session, scope):
        primary = (await session.scalars(select(Ruleset))).one()
        session.add_all(_twelve_rules(scope, primary.ruleset_id))


async def add_full_configuration(scope: Scope) -> None:
    """Add a second ruleset with twelve rules, three of them with attribute filters, two decays and two filters."""
    async with transaction(scope) as session, configuration_change(session, scope):
        second = Ruleset(unit_id=scope.unit_id, ruleset_id=new_id("rs"), name="Second")
        session.add(second)
        await session.flush()
        rules = _twelve_rules(scope, second.ruleset_id)
        for number, rule in enumerate(rules[:3]):
            rule.attribute_filters, rule.filters_key = LARGE_AMOUNT, f"large-{number}"
        session.add_all(rules)
        for days, decrease in ((7, 5), (30, 25)):
            session.add(
                Decay(unit_id=scope.unit_id, decay_id=new_id("dc"), inactive_for=days, unit="days", decrease=decrease)
            )
        for event_type, grouped in ((loans.TYPES[2], False), (loans.TYPES[3], True)):
            session.add(
                InorganicFilter(
                    unit_id=scope.unit_id,
                    filter_id=new_id("flt"),
                    event_type=event_type,
                    count_threshold=10,
                    time_window_ms=60_000,
                    group_events=grouped,
                )
            )


def _twelve_rules(scope: Scope, ruleset_id: str) -> list[Rule]:
    return [
        Rule(
            unit_id=scope.unit_id,
            rule_id=new_id("rl"),
            ruleset_id=ruleset_id,
            event_type=event_type,
            weight=(number + 1) * (-3 if number % 4 == 3 else 5),
        )
        for number, event_type in enumerate(loans.TYPES)
    ]
