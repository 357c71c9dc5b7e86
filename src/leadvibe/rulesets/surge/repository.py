"""The surge policy of an OU."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from operator import itemgetter
from typing import Any

from leadvibe.core.database.repository import Repository
from leadvibe.core.http.problems import Invalid
from leadvibe.rulesets.current import read_surge_policy
from leadvibe.rulesets.models import SurgePolicy
from leadvibe.rulesets.repository import Values
from leadvibe.rulesets.versions import configuration_change

Band = Mapping[str, Any]


class SurgePolicyRepository(Repository[SurgePolicy]):
    model = SurgePolicy

    async def effective_policy(self) -> dict[str, Any]:
        policy = await read_surge_policy(self.session, self.scope)
        return {"org_id": self.scope.org_id, "unit_id": self.scope.unit_id, **asdict(policy)}

    async def change(self, values: Values) -> dict[str, Any]:
        """Set the given values. Changing from `custom` to another mode discards the custom numbers."""
        async with configuration_change(self.session, self.scope):
            row = await self.session.scalar(self._select()) or await self.create({"mode": "standard"})
            if row.mode == "custom" and values.get("mode", "custom") != "custom":
                await self.update(row, {"idle_reset_seconds": None, "multiplier_cap": None})
            await self.update(row, values)
            await self.update(row, {"bands": sort_bands(row.bands) if row.mode == "custom" else None})
        return await self.effective_policy()


def sort_bands(bands: Sequence[Band] | None) -> list[Band]:
    """The bands by `min_events`. `Invalid` if there are none, if the first doesn't start at 1, or if they overlap."""
    bands = sorted(bands or (), key=itemgetter("min_events"))
    if not bands:
        raise Invalid.field("bands", "are required for the mode custom")
    if bands[0]["min_events"] != 1:
        raise Invalid.field("bands", "must start at min_events 1")
    if any(band["max_events"] is not None and band["max_events"] < band["min_events"] for band in bands):
        raise Invalid.field("bands", "must not have a max_events below its min_events")
    if any(band["max_events"] is None or band["max_events"] >= after["min_events"] for band, after in pairwise(bands)):
        raise Invalid.field("bands", "must not overlap")
    return bands
