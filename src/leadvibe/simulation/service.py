"""Simulates a draft of the configuration: folds the histories of an OU's leads under it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.clock import database_now
from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.instants import micros
from leadvibe.core.scope import Scope
from leadvibe.engine import Event, Fact, Outcome, Plans, Standing, advance, fold_until
from leadvibe.rulesets.plans import read_plans
from leadvibe.rulesets.versions import current_configuration
from leadvibe.simulation.comparison import Comparison, Reason, reasons
from leadvibe.simulation.drafts import Draft
from leadvibe.simulation.histories import read_histories
from leadvibe.simulation.schemas import SimulationCreate
from leadvibe.units.models import OrgUnit

BATCH_LEADS: Final = 200
"""Leads read in one transaction. A long transaction would keep vacuum from removing dead rows."""

BATCH_FACTS: Final = 500
"""Facts folded in one call of a thread. Between calls, the event loop serves other requests."""

READ_LEADS: Final = """
SELECT lead_id, standing, last_event_at FROM leads
WHERE unit_id = $1 AND lead_id > $2 AND merged_into IS NULL AND standing IS NOT NULL
ORDER BY lead_id LIMIT $3
"""

_standing = msgspec.msgpack.Decoder(list[Any])


async def simulate(scope: Scope, body: SimulationCreate) -> Comparison:
    """Fold all leads under the draft, batch by batch, without storing anything.

    Each batch is read in one transaction. Events that arrive meanwhile are in the later batches.
    """
    async with transaction(scope) as session:
        since = await database_now(session) - timedelta(days=body.days)
        live = await current_configuration(session, scope)
        simulation = Simulation(scope, Draft.of(body, live), since)
    after: str | None = ""
    while after is not None:
        after = await simulation.add_batch(after)
    return simulation.comparison


@dataclass(slots=True)
class Simulation:
    """A running simulation and its results so far."""

    scope: Scope
    draft: Draft
    since: datetime
    comparison: Comparison = field(default_factory=Comparison)
    trial: "Trial | None" = None

    async def add_batch(self, after: str) -> str | None:
        """Add the next leads after this lead id. Returns the last one's id, or None if no leads are left."""
        async with transaction(self.scope, isolation="REPEATABLE READ") as session:
            connection = await raw(session)
            leads = await connection.fetch(READ_LEADS, self.scope.unit_id, after, BATCH_LEADS)
            if not leads:
                return None
            trial = await self._current_trial(session)
            until = micros(await database_now(session))
            await self._add_leads(connection, leads, trial, until)
        return leads[-1]["lead_id"]

    async def _add_leads(
        self, connection: asyncpg.Connection, leads: Sequence[asyncpg.Record], trial: "Trial", until: int
    ) -> None:
        standings = {row["lead_id"]: row["standing"] for row in leads}
        # Without drafted decays, the draft can't change the score of a lead without events since then.
        affected = [row["lead_id"] for row in leads if self.draft.drafts_decays or _has_events_since(row, self.since)]
        for lead_id in standings.keys() - set(affected):
            score = trial.score_now(standings[lead_id], until)
            self.comparison.add(lead_id, score, score, list)
        batch, size = list[tuple[str, bytes, list[Fact]]](), 0
        async for lead_id, facts in read_histories(
            connection, self.scope.unit_id, affected, trial.drafted.metadata_types
        ):
            batch.append((lead_id, standings[lead_id], facts))
            size += len(facts)
            if size >= BATCH_FACTS:
                await asyncio.to_thread(trial.compare, batch, until, self.comparison)
                batch, size = [], 0
        await asyncio.to_thread(trial.compare, batch, until, self.comparison)

    async def _current_trial(self, session: AsyncSession) -> "Trial":
        """The trial for the configuration version that is current in this transaction; reused if it hasn't changed."""
        unit_id = self.scope.unit_id
        version = (await session.scalars(select(OrgUnit.config_version).where(OrgUnit.unit_id == unit_id))).one()
        plans = (await read_plans(session, unit_id, version)).plans
        if self.trial is None or self.trial.live is not plans:
            since = micros(self.since)
            drafted = plans.drafted(self.draft.configuration, since, drafts_decays=self.draft.drafts_decays)
            self.trial = Trial(plans, drafted, self.draft, since)
        return self.trial


@dataclass(frozen=True, slots=True)
class Trial:
    """Folds leads under the live configuration and under the draft."""

    live: Plans
    drafted: Plans
    draft: Draft
    since: int

    def score_now(self, standing: bytes, until: int) -> int:
        outcome = advance(self.live, Standing.load(_standing.decode(standing)), until)
        return outcome.standing.totals.get(self.draft.ruleset_id, 0)

    def compare(self, leads: Sequence[tuple[str, bytes, list[Fact]]], until: int, comparison: Comparison) -> None:
        """Add leads to the comparison, each as its id, packed standing and facts in canonical order."""
        for lead_id, standing, facts in leads:
            comparison.events += sum(isinstance(fact, Event) and fact.at >= self.since for fact in facts)
            after = fold_until(self.drafted, Standing(), facts, until)
            comparison.add(
                lead_id,
                self.score_now(standing, until),
                after.standing.totals.get(self.draft.ruleset_id, 0),
                lambda facts=facts, after=after: self._reasons(facts, after, until),
            )

    def _reasons(self, facts: Sequence[Fact], after: Outcome, until: int) -> list[Reason]:
        before = fold_until(self.live, Standing(), facts, until)
        return reasons(before.entries, after.entries, self.draft.ruleset_id, self.draft.event_types)


def _has_events_since(lead: asyncpg.Record, since: datetime) -> bool:
    return lead["last_event_at"] is not None and lead["last_event_at"] >= since
