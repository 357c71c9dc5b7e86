"""The OU that benchmarks score in, and its two configurations."""

from sqlalchemy import select

from benchmarks import loans
from leadvibe.core.database.migrations import migrate
from leadvibe.core.database.transactions import transaction
from leadvibe.core.ids import new_id
from leadvibe.core.scope import Scope, system_scope
from leadvibe.rulesets.models import Decay, InorganicFilter, Rule, Ruleset
from leadvibe.rulesets.versions import configuration_change
from leadvibe.server.bootstrap import bootstrap

LARGE = [{"field": "amount", "operator": "gte", "value": 15_000}]


async def empty_unit(url: str) -> Scope:
    """Migrate the database, which is open already, and found an OU in it."""
    await migrate(url)
    founded = await bootstrap(organization="Bench", unit="Bench", email="bench@example.com", password="a long password")
    assert founded is not None
    return system_scope(founded.org_id, founded.unit_id)


async def add_dozen(scope: Scope) -> None:
    """A dozen rules in the primary ruleset, every fourth one negative."""
    async with transaction(scope) as session, configuration_change(session, scope):
        primary = (await session.scalars(select(Ruleset))).one()
        session.add_all(_dozen(scope, primary.ruleset_id))


async def add_the_rest(scope: Scope) -> None:
    """A second ruleset of twelve rules, three of them filtered by attributes; two decays and two velocity filters."""
    async with transaction(scope) as session, configuration_change(session, scope):
        second = Ruleset(unit_id=scope.unit_id, ruleset_id=new_id("rs"), name="Second")
        session.add(second)
        await session.flush()
        rules = _dozen(scope, second.ruleset_id)
        for number, rule in enumerate(rules[:3]):
            rule.attribute_filters, rule.filters_key = LARGE, f"large-{number}"
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


def _dozen(scope: Scope, ruleset_id: str) -> list[Rule]:
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
