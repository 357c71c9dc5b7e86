"""Random merges, events and resets: the stored ledger equals a fold of the facts that count.

The rule of which facts count exists in SQL (`leads.merging`, `pipeline.load`) and here, in `support.merging`.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.instants import micros
from leadvibe.engine import Event, Fact, LedgerLine, Standing, advance, order
from leadvibe.pipeline.load import load
from leadvibe.rulesets.plans import lock_plans
from support import ledger
from support.callers import Caller
from support.folding import fold
from support.make import Make
from support.merging import countable, latest_reset_at, merge_histories
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]

NAMES = ("a", "b", "c", "d", "e")


@dataclass
class Model:
    """The facts that count for each lead, and the lead that each original lead now belongs to."""

    histories: dict[str, list[Fact]] = field(default_factory=lambda: {name: [] for name in NAMES})
    merged_into: dict[str, str] = field(default_factory=lambda: {name: name for name in NAMES})
    reset_before_merge: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(NAMES))

    def add(self, fact: Fact, origin: str) -> None:
        self.histories[self.merged_into[origin]] += countable([fact], self.reset_before_merge[origin])

    def merge(self, target: str, sources: Sequence[str]) -> None:
        for name, lead in self.merged_into.items():
            if lead in {target, *sources}:
                bounds = (self.reset_before_merge[name], latest_reset_at(self.histories[lead]))
                self.reset_before_merge[name] = max((bound for bound in bounds if bound is not None), default=None)
        whole = merge_histories([self.histories[target], *(self.histories.pop(source) for source in sources)])
        self.histories[target] = whole
        self.merged_into = {name: target if lead in sources else lead for name, lead in self.merged_into.items()}


class RandomSteps:
    """Applies the same random steps to the stored leads and to the model."""

    def __init__(self, random: Random, client: Caller, make: Make, drain: Drain) -> None:
        self.random, self.client, self.make, self.drain = random, client, make, drain
        self.model = Model()
        self.known: set[UUID] = set()
        self.began = datetime.now(UTC)

    async def events(self) -> None:
        sent = [
            {
                "lead_id": self.random.choice(NAMES),
                "event_type": self.random.choice(("visit", "visit", "signup", "leave")),
                "timestamp": (self.began - timedelta(minutes=self.random.randrange(600))).isoformat(),
                "idempotency_key": f"{number}",
            }
            for number in range(len(self.known) * 100, len(self.known) * 100 + 6)
        ]
        await self.make.events(*sent)
        await self.drain()
        await self.learn({event["idempotency_key"]: event["lead_id"] for event in sent})

    async def act(self) -> None:
        lead_id = self.random.choice(sorted(self.model.histories))
        if self.random.random() < 0.5:
            await self.client.post(f"/lead/{lead_id}/reset-scores")
        else:
            await self.client.post(f"/lead/{lead_id}/adjust-score", json={"points": self.random.randrange(-30, 60)})
        await self.learn({})

    async def merge(self) -> None:
        target, *sources = self.random.sample(
            sorted(self.model.histories), min(self.random.choice((2, 2, 3)), len(self.model.histories))
        )
        body = {"targetLeadId": target, "sourceLeadIds": sources}
        assert (await self.client.post("/leads/merge", json=body)).status_code == 200
        self.model.merge(target, sources)

    async def learn(self, origins: dict[str, str]) -> None:
        """Add newly stored facts to the model. The original lead of an event is the one that it was sent for."""
        keys = [(self.client.unit_id, lead_id) for lead_id in self.model.histories]
        async with transaction(None) as session:
            stored = await load(await raw(session), keys, ())  # no rule looks at metadata
        for (_, lead_id), history in stored.items():
            for fact in history.facts:
                if fact.id in self.known:
                    continue
                self.known.add(fact.id)
                if isinstance(fact, Event):
                    self.model.add(replace(fact, reset_before_merge=False), origins[fact.key])
                else:
                    self.model.histories[lead_id].append(fact)

    async def check(self, database: TestDatabase) -> None:
        unit_id = self.client.unit_id
        async with transaction(None) as session:
            plans = (await lock_plans(session, [unit_id]))[unit_id].plans
            stored = await load(await raw(session), [(unit_id, name) for name in NAMES], ())
        written = {row["lead_id"]: row["ledger_at"] for row in await database.fetch("SELECT * FROM leads")}
        for name in NAMES:
            facts = sorted(self.model.histories.get(name, []), key=order)
            outcome = fold(plans, Standing(), facts)
            entries = [*outcome.entries, *advance(plans, outcome.standing, micros(written[name])).entries]
            assert lines(stored[unit_id, name].entries) == lines(entries), name


def lines(entries: Sequence[LedgerLine]) -> list[Any]:
    return sorted(
        (e.ruleset_id, e.at, e.kind, str(e.cause), e.awards, e.multiplier, e.points, e.applied) for e in entries
    )


@pytest.mark.parametrize("seed", range(4))
async def test_after_merges_in_any_order_the_ledger_equals_a_fold_of_the_countable_facts(
    client: Caller, make: Make, drain: Drain, database: TestDatabase, seed: int
) -> None:
    await make.rules({"Engagement": {"visit": 10, "leave": -15}, "Other": {"visit": 3}})
    await make.rule("signup", 25, max_per_lead=2)
    await make.filter("visit", count_threshold=2, time_window_ms=3_600_000)
    await make.decay(1, "hours", 2)
    for name in NAMES:
        await make.lead(name)
    steps = RandomSteps(Random(seed), client, make, drain)
    while len(steps.model.histories) > 1:
        for _ in range(2):
            await steps.events()
            await steps.act()
        await steps.merge()
    await steps.events()
    await steps.act()
    await steps.events()
    await steps.check(database)
    assert await ledger.differences(database) == []
