"""A lead with a random history: late events, decay steps, adjustments, resets, lifted negatives and a merge."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from random import Random

from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]

TARGET, SOURCE = "ada", "ada-at-work"
HOURS = 30


class RandomLeads:
    """Applies random steps to two leads of the caller's OU. `merge` makes them one."""

    def __init__(self, seed: int, client: Caller, make: Make, drain: Drain) -> None:
        self.random, self.client, self.make, self.drain = Random(seed), client, make, drain
        self.began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=HOURS)
        self.leads = [TARGET, SOURCE]
        self.negatives = False

    async def configure(self, database: TestDatabase) -> None:
        await self.make.rules({"Engagement": {"visit": 10, "leave": -25}, "Other": {"visit": 3, "signup": 1}})
        await self.make.rule("signup", 20, max_per_lead=3)
        await self.make.decay(3, "hours", 4)
        # The decay rule must be older than the events, or it has nothing to decay.
        await database.execute("UPDATE config_versions SET created_at = created_at - interval '1 year'")
        for lead_id in self.leads:
            await self.make.lead(lead_id)

    async def live(self, steps: int) -> None:
        for _ in range(steps):
            await self.random.choice((self._events, self._events, self._adjust, self._reset, self._switch_negatives))()

    async def end(self) -> None:
        """Some steps that follow negative totals, so that each history has a lift."""
        await self._set_negatives(allowed=True)
        for lead_id in self.leads:
            for ruleset in (await self.client.get("/rulesets")).json():
                body = {"points": -1000, "ruleset_id": ruleset["ruleset_id"], "reason": "debt"}
                (await self.client.post(f"/leads/{lead_id}/adjust-score", json=body)).raise_for_status()
        await self._set_negatives(allowed=False)
        for lead_id in self.leads:
            await self.make.event("visit", lead_id)
        await self.drain()
        await self._events()

    async def merge(self) -> None:
        body = {"targetLeadId": TARGET, "sourceLeadIds": [SOURCE]}
        (await self.client.post("/leads/merge", json=body)).raise_for_status()
        self.leads = [TARGET]

    async def _events(self) -> None:
        """Events in no order; many of them share an instant with others."""
        await self.make.events(
            *(
                {
                    "lead_id": self.random.choice((TARGET, SOURCE)),
                    "event_type": self.random.choice(("visit", "signup", "leave", "note")),
                    "timestamp": (self.began + timedelta(hours=self.random.randrange(HOURS))).isoformat(),
                    "metadata": {"n": self.random.randrange(3)},
                }
                for _ in range(8)
            )
        )
        await self.drain()

    async def _adjust(self) -> None:
        lead_id = self.random.choice(self.leads)
        body = {"points": self.random.randrange(-60, 60), "reason": "by hand"}
        (await self.client.post(f"/leads/{lead_id}/adjust-score", json=body)).raise_for_status()

    async def _reset(self) -> None:
        lead_id = self.random.choice(self.leads)
        (await self.client.post(f"/leads/{lead_id}/reset-scores")).raise_for_status()

    async def _switch_negatives(self) -> None:
        await self._set_negatives(allowed=not self.negatives)

    async def _set_negatives(self, *, allowed: bool) -> None:
        self.negatives = allowed
        body = {"allow_negative_scores": allowed}
        (await self.client.put("/settings/scoring", json=body)).raise_for_status()
