"""What if the configuration had been another one: the history of an OU's leads, folded under a draft."""

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
from leadvibe.rulesets.models import ConfigVersion
from leadvibe.rulesets.plans import read_plans
from leadvibe.rulesets.snapshots import load_configuration
from leadvibe.simulation.comparison import Comparison, Reason, reasons
from leadvibe.simulation.drafts import Draft
from leadvibe.simulation.histories import histories
from leadvibe.simulation.schemas import SimulationCreate
from leadvibe.units.models import OrgUnit

LEADS_AT_ONCE: Final = 200
"""In one transaction: a long one would keep the database from clearing up."""

EVENTS_AT_ONCE: Final = 500
"""Folded in one go; in between, other requests have their turn."""

READ_LEADS: Final = """
SELECT lead_id, standing, last_event_at FROM leads
WHERE unit_id = $1 AND lead_id > $2 AND merged_into IS NULL AND standing IS NOT NULL
ORDER BY lead_id LIMIT $3
"""

_standing = msgspec.msgpack.Decoder(list[Any])


async def simulate(scope: Scope, wanted: SimulationCreate) -> Comparison:
    """Fold all leads under the draft, slice by slice; nothing is stored.

    A slice's transaction sees one state of the OU. What arrives meanwhile is in the later slices.
    """
    async with transaction(scope) as session:
        since = await database_now(session) - timedelta(days=wanted.days)
        live = await session.scalars(
            select(ConfigVersion.snapshot)
            .where(ConfigVersion.unit_id == scope.unit_id)
            .order_by(ConfigVersion.version.desc())
            .limit(1)
        )
        simulation = Simulation(scope, Draft.of(wanted, load_configuration(live.one())), since)
    after: str | None = ""
    while after is not None:
        after = await simulation.go_on(after)
    return simulation.tally


@dataclass(slots=True)
class Simulation:
    scope: Scope
    draft: Draft
    since: datetime
    tally: Comparison = field(default_factory=Comparison)
    trial: "Trial | None" = None

    async def go_on(self, after: str) -> str | None:
        """Take the leads that follow; the last of them, or None where there are no more."""
        async with transaction(self.scope, isolation="REPEATABLE READ") as session:
            connection = await raw(session)
            leads = await connection.fetch(READ_LEADS, self.scope.unit_id, after, LEADS_AT_ONCE)
            if not leads:
                return None
            trial = await self._trial_now(session)
            until = micros(await database_now(session))
            await self._take(connection, leads, trial, until)
        return leads[-1]["lead_id"]

    async def _take(
        self, connection: asyncpg.Connection, leads: Sequence[asyncpg.Record], trial: "Trial", until: int
    ) -> None:
        standings = {row["lead_id"]: row["standing"] for row in leads}
        # Without a draft of decays, the past of who did nothing since is as it was.
        touched = [row["lead_id"] for row in leads if self.draft.drafts_decays or _acted(row, self.since)]
        for lead_id in standings.keys() - set(touched):
            score = trial.score_now(standings[lead_id], until)
            self.tally.add(lead_id, score, score, list)
        batch, size = list[tuple[str, bytes, list[Fact]]](), 0
        async for lead_id, facts in histories(connection, self.scope.unit_id, touched, trial.drafted.metadata_types):
            batch.append((lead_id, standings[lead_id], facts))
            size += len(facts)
            if size >= EVENTS_AT_ONCE:
                await asyncio.to_thread(trial.compare, batch, until, self.tally)
                batch, size = [], 0
        await asyncio.to_thread(trial.compare, batch, until, self.tally)

    async def _trial_now(self, session: AsyncSession) -> "Trial":
        """The trial against the configuration as it is in this transaction; mostly the one there is already."""
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
    """The live configuration, and the draft over it."""

    live: Plans
    drafted: Plans
    draft: Draft
    since: int

    def score_now(self, standing: bytes, until: int) -> int:
        outcome = advance(self.live, Standing.load(_standing.decode(standing)), until)
        return outcome.standing.totals.get(self.draft.ruleset_id, 0)

    def compare(self, leads: Sequence[tuple[str, bytes, list[Fact]]], until: int, tally: Comparison) -> None:
        """Add leads, each with its standing and its facts in order, to the tally."""
        for lead_id, standing, facts in leads:
            tally.events += sum(isinstance(fact, Event) and fact.at >= self.since for fact in facts)
            after = fold_until(self.drafted, Standing(), facts, until)
            tally.add(
                lead_id,
                self.score_now(standing, until),
                after.standing.totals.get(self.draft.ruleset_id, 0),
                lambda facts=facts, after=after: self._reasons(facts, after, until),
            )

    def _reasons(self, facts: Sequence[Fact], after: Outcome, until: int) -> list[Reason]:
        before = fold_until(self.live, Standing(), facts, until)
        return reasons(before.entries, after.entries, self.draft.ruleset_id, self.draft.event_types)


def _acted(lead: asyncpg.Record, since: datetime) -> bool:
    return lead["last_event_at"] is not None and lead["last_event_at"] >= since
