"""Builders over HTTP, with sane defaults: a test says only what it is about."""

from itertools import count
from typing import Any

import httpx

PASSWORD = "a password of some length"


class Make:
    """Makes things in the caller's OU through the API, and fails where the API refuses."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._number = count(1)

    def by(self, caller: httpx.AsyncClient) -> "Make":
        """The same for another caller."""
        return Make(caller)

    async def ruleset(self, name: str | None = None, **fields: Any) -> dict[str, Any]:
        return await self._post("/rulesets", {"name": name or f"Ruleset {next(self._number)}", **fields})

    async def rules(self, weights: dict[str, dict[str, int]]) -> None:
        """Points by event type, by the name of the ruleset; "Engagement" is the one that is there already."""
        for name, points in weights.items():
            ruleset = {} if name == "Engagement" else {"ruleset_id": (await self.ruleset(name))["ruleset_id"]}
            for event_type, weight in points.items():
                await self.rule(event_type, weight, **ruleset)

    async def surge(self, mode: str) -> None:
        """The OU's surge policy, "standard" where nobody says otherwise."""
        _shown(await self._client.put("/settings/ou/surge-policy", json={"mode": mode}))

    async def rule(self, event_type: str = "page_view", weight: int = 5, **fields: Any) -> dict[str, Any]:
        """Without a `ruleset_id` it belongs to the primary ruleset."""
        return await self._post("/rules", {"event_type": event_type, "weight": weight, **fields})

    async def decay(
        self, inactive_for: int = 7, unit: str = "days", decrease: int = 5, **fields: Any
    ) -> dict[str, Any]:
        return await self._post("/decays", {"inactive_for": inactive_for, "unit": unit, "decrease": decrease, **fields})

    async def filter(self, event_type: str = "page_view", **fields: Any) -> dict[str, Any]:
        """Three of them in a minute are a person's."""
        return await self._post(
            "/filters", {"event_type": event_type, "count_threshold": 3, "time_window_ms": 60_000, **fields}
        )

    async def lead(self, lead_id: str = "lead-1", **fields: Any) -> dict[str, Any]:
        return await self._post("/leads", {"id": lead_id, **fields})

    async def event(self, event_type: str = "page_view", lead_id: str | None = "lead-1", **fields: Any) -> Any:
        """Accepted, not yet processed: `await drain()` follows. For a lead by alias alone give `lead_id=None`."""
        named = {} if lead_id is None else {"lead_id": lead_id}
        return await self._post("/ingest", {"event_type": event_type, **named, **fields})

    async def events(self, *events: dict[str, Any]) -> Any:
        """Several at once, each with a type and a lead if it names none."""
        return await self._post(
            "/ingest/batch", [{"event_type": "page_view", "lead_id": "lead-1", **e} for e in events]
        )

    async def order(self, order_id: str = "order-1", lead_id: str | None = "lead-1", **fields: Any) -> dict[str, Any]:
        """For a lead by alias alone give `lead_id=None`."""
        named = {} if lead_id is None else {"lead_id": lead_id}
        return await self._post(
            "/orders", {"order_id": order_id, "amount": "49.90", "currency": "EUR", **named, **fields}
        )

    async def credential(self, name: str = "A program") -> dict[str, Any]:
        return await self._post("/secrets", {"name": name})

    async def unit(self, name: str = "Elsewhere", **fields: Any) -> dict[str, Any]:
        return await self._post("/org-units", {"name": name, **fields})

    async def member(self, email: str = "someone@example.com", **fields: Any) -> dict[str, Any]:
        person = {"first_name": "Some", "last_name": "One", "email": email, "role": "viewer", "password": PASSWORD}
        return await self._post("/members", {**person, **fields})

    async def token(self, name: str = "A script", **fields: Any) -> dict[str, Any]:
        return await self._post("/settings/tokens", {"name": name, **fields})

    async def score(self, lead_id: str = "lead-1", **parameters: Any) -> int:
        """The lead's score as the API shows it; with `ruleset_id`, its total in that ruleset."""
        return _shown(await self._client.get(f"/score/{lead_id}", params=parameters))["score"]

    async def _post(self, path: str, body: Any) -> Any:
        return _shown(await self._client.post(path, json=body))


def _shown(response: httpx.Response) -> Any:
    assert response.is_success, f"{response.request.method} {response.request.url}: {response.text}"
    return response.json() if response.content else None
