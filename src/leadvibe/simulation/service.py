"""Simulates a draft of the configuration: folds the histories of an OU's leads under it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import asyncpg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.clock import database_now
from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.instants import micros
from leadvibe.core.scope import Scope
from leadvibe.core.threads import compute
from leadvibe.rulesets.plans import read_plans
from leadvibe.rulesets.versions import current_configuration
from leadvibe.simulation.comparison import Comparison
from leadvibe.simulation.drafts import Draft
from leadvibe.simulation.histories import read_histories
from leadvibe.simulation.schemas import SimulationCreate
from leadvibe.simulation.trial import LeadHistory, Slice, Trial
from leadvibe.units.models import OrgUnit

SLICE_LEADS: Final = 200
SLICE_EVENTS: Final = 5_000
"""Leads and events read in one transaction, in memory at once and folded in one call of a thread. One lead is never
divided."""

READ_LEADS: Final = """
SELECT lead_id, standing, last_event_at FROM leads
WHERE unit_id = $1 AND lead_id > $2 AND merged_into IS NULL AND standing IS NOT NULL
ORDER BY lead_id LIMIT $3
"""


async def begin_simulation(session: AsyncSession, scope: Scope, body: SimulationCreate) -> "Simulation":
    """Apply the draft to the live configuration. Raises a problem if a real change would be rejected."""
    since = await database_now(session) - timedelta(days=body.days)
    live = await current_configuration(session, scope)
    return Simulation(scope, Draft.of(body, live), since)


async def simulate(scope: Scope, body: SimulationCreate) -> Comparison:
    """Fold all leads under the draft, without storing anything."""
    async with transaction(scope) as session:
        simulation = await begin_simulation(session, scope, body)
    return await simulation.run()


@dataclass(slots=True)
class Simulation:
    """A running simulation and its results so far.

    Each slice of leads is read in a short transaction and folded after it. Events that arrive meanwhile are in the
    later slices.
    """

    scope: Scope
    draft: Draft
    since: datetime
    comparison: Comparison = field(default_factory=Comparison)
    trial: Trial | None = None

    async def run(self, report: Callable[[Comparison], Awaitable[None]] | None = None) -> Comparison:
        """Fold all leads; `report` is called after each slice."""
        after = ""
        while (leads := await self._read_slice(after)) is not None:
            await compute(lambda signal, leads=leads: leads.compare(self.comparison, signal))
            after = leads.last
            if report is not None:
                await report(self.comparison)
        return self.comparison

    async def _read_slice(self, after: str) -> Slice | None:
        """The next leads after this lead id, with their facts. None if no leads are left."""
        async with transaction(self.scope, isolation="REPEATABLE READ") as session:
            connection = await raw(session)
            rows = await connection.fetch(READ_LEADS, self.scope.unit_id, after, SLICE_LEADS)
            if not rows:
                return None
            trial = await self._current_trial(session)
            until = micros(await database_now(session))
            leads = await self._with_facts(connection, rows, trial)
        return Slice(trial, until, leads)

    async def _with_facts(
        self, connection: asyncpg.Connection, rows: list[asyncpg.Record], trial: Trial
    ) -> list[LeadHistory]:
        # Without drafted decays, the draft can't change the score of a lead without events since then.
        affected = [row["lead_id"] for row in rows if self.draft.drafts_decays or _has_events_since(row, self.since)]
        unit_id, types = self.scope.unit_id, trial.drafted.metadata_types
        histories = await read_histories(connection, unit_id, affected, types, SLICE_EVENTS)
        leads: list[LeadHistory] = []
        skipped = set(affected) - histories.keys()
        for row in rows:
            if row["lead_id"] in skipped:  # this lead and those after it are in the next slice
                break
            leads.append(LeadHistory(row["lead_id"], row["standing"], histories.get(row["lead_id"])))
        return leads

    async def _current_trial(self, session: AsyncSession) -> Trial:
        """The trial for the configuration version that is current in this transaction; reused if it hasn't changed."""
        unit_id = self.scope.unit_id
        version = (await session.scalars(select(OrgUnit.config_version).where(OrgUnit.unit_id == unit_id))).one()
        plans = (await read_plans(session, unit_id, version)).plans
        if self.trial is None or self.trial.live is not plans:
            since = micros(self.since)
            drafted = plans.drafted(self.draft.configuration, since, drafts_decays=self.draft.drafts_decays)
            self.trial = Trial(plans, drafted, self.draft, since)
        return self.trial


def _has_events_since(lead: asyncpg.Record, since: datetime) -> bool:
    return lead["last_event_at"] is not None and lead["last_event_at"] >= since
