"""Tests a rule on one lead's events without storing it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.scope import Scope
from leadvibe.core.threads import StopSignal, compute
from leadvibe.engine import Event, Reset, order
from leadvibe.engine.configuration import RuleConfig
from leadvibe.engine.instants import BEGINNING, END
from leadvibe.engine.rules import Rule, Ruleset
from leadvibe.identity.leads import survivor_of
from leadvibe.pipeline.load import History, load
from leadvibe.rulesets.repository import check_active_period
from leadvibe.rulesets.rules.schemas import RuleCreate
from leadvibe.scores.repository import ScoreRepository

TESTED_RULE_ID = "tested"


@dataclass(frozen=True, slots=True)
class RuleTest:
    matching_events: int
    reason: str
    current_score: int
    projected_score: int

    @property
    def matches(self) -> bool:
        return self.matching_events > 0


class RuleTests:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def test(self, lead_id: str, draft: RuleCreate) -> RuleTest:
        """Read the lead's events in a short transaction, and test the rule on them after it."""
        check_active_period(draft.values(), None)
        score, history = await self._read(lead_id, draft)
        events, matching = await compute(partial(_test, draft, history))
        reason = _reason(draft.event_type, events, matching)
        return RuleTest(matching, reason, score, score + draft.weight * matching)

    async def _read(self, lead_id: str, draft: RuleCreate) -> tuple[int, History]:
        """The lead's score, and its history with the events of the rule's type."""
        async with transaction(self.scope, isolation="REPEATABLE READ") as session:
            lead_id, _ = await survivor_of(session, self.scope, lead_id)
            score = await self._score(session, lead_id, draft.ruleset_id)
            key = self.scope.unit_id, lead_id
            return score, (await load(await raw(session), [key], [draft.event_type]))[key]

    async def _score(self, session: AsyncSession, lead_id: str, ruleset_id: str | None) -> int:
        scores = ScoreRepository(session, self.scope)
        rulesets = await scores.rulesets()
        totals = (await scores.totals([lead_id])).get(lead_id, {})
        ruleset = rulesets.primary if ruleset_id is None else rulesets.by_id(ruleset_id)
        return rulesets.score(lead_id, totals, ruleset).score


def _test(draft: RuleCreate, history: History, signal: StopSignal) -> tuple[int, int]:
    """The number of events that count, and the number of those that match the rule."""
    config = draft.model_dump(mode="json") | {"rule_id": TESTED_RULE_ID, "ruleset_id": ""}
    rule = Rule.of(msgspec.convert(config, RuleConfig), Ruleset("", BEGINNING, END))
    events = _countable(history, draft.event_type)
    return len(events), _count_matching(rule, signal.checked(events))


def _countable(history: History, event_type: str) -> list[Event]:
    """The lead's events of a type that are not suppressed and come after the last reset, in canonical order."""
    events: list[Event] = []
    for fact in sorted(history.facts, key=order):
        match fact:
            case Event() if (
                fact.type == event_type and not fact.reset_before_merge and history.verdicts[fact.id][0] is None
            ):
                events.append(fact)
            case Reset():
                events.clear()
            case _:
                pass
    return events


def _count_matching(rule: Rule, events: Iterable[Event]) -> int:
    uses = {TESTED_RULE_ID: 0}
    for event in events:
        uses[TESTED_RULE_ID] += rule.applies(event, uses)
    return uses[TESTED_RULE_ID]


def _reason(event_type: str, events: int, matching: int) -> str:
    if not events:
        return f"The lead has no {event_type} events that count."
    if not matching:
        return f"None of the lead's {events} {event_type} events matches the rule."
    return f"The rule would pay for {matching} of the lead's {events} {event_type} events."
