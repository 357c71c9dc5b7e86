"""Builders with sensible defaults: a test names only the values that matter to it."""

from itertools import count
from typing import Any

import httpx

PASSWORD = "a password of some length"


class Make:
    """Creates objects in the caller's OU through the API. Fails if the API returns an error."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._number = count(1)

    def by(self, caller: httpx.AsyncClient) -> "Make":
        """Builders for another caller."""
        return Make(caller)

    async def ruleset(self, name: str | None = None, **fields: Any) -> dict[str, Any]:
        return await self._post("/rulesets", {"name": name or f"Ruleset {next(self._number)}", **fields})

    async def rules(self, weights: dict[str, dict[str, int]]) -> None:
        """Create rules from weights by ruleset name and event type. "Engagement" is the existing primary ruleset."""
        for name, points in weights.items():
            ruleset = {} if name == "Engagement" else {"ruleset_id": (await self.ruleset(name))["ruleset_id"]}
            for event_type, weight in points.items():
                await self.rule(event_type, weight, **ruleset)

    async def surge(self, mode: str) -> None:
        """Set the mode of the OU's surge policy. The default mode is "standard"."""
        _body(await self._client.put("/settings/ou/surge-policy", json={"mode": mode}))

    async def rule(self, event_type: str = "page_view", weight: int = 5, **fields: Any) -> dict[str, Any]:
        """Without a `ruleset_id` the rule belongs to the primary ruleset."""
        return await self._post("/rules", {"event_type": event_type, "weight": weight, **fields})

    async def decay(
        self, inactive_for: int = 7, unit: str = "days", decrease: int = 5, **fields: Any
    ) -> dict[str, Any]:
        return await self._post("/decays", {"inactive_for": inactive_for, "unit": unit, "decrease": decrease, **fields})

    async def filter(self, event_type: str = "page_view", **fields: Any) -> dict[str, Any]:
        """By default, three events per minute count."""
        return await self._post(
            "/filters", {"event_type": event_type, "count_threshold": 3, "time_window_ms": 60_000, **fields}
        )

    async def lead(self, lead_id: str = "lead-1", **fields: Any) -> dict[str, Any]:
        return await self._post("/leads", {"id": lead_id, **fields})

    async def event(self, event_type: str = "page_view", lead_id: str | None = "lead-1", **fields: Any) -> Any:
        """Send an event. It is processed by `await drain()`. Use `lead_id=None` for a lead known only by an alias."""
        lead = {} if lead_id is None else {"lead_id": lead_id}
        return await self._post("/ingest", {"event_type": event_type, **lead, **fields})

    async def events(self, *events: dict[str, Any]) -> Any:
        """Send several events in one batch. Each gets a default type and lead."""
        return await self._post(
            "/ingest/batch", [{"event_type": "page_view", "lead_id": "lead-1", **e} for e in events]
        )

    async def order(self, order_id: str = "order-1", lead_id: str | None = "lead-1", **fields: Any) -> dict[str, Any]:
        """Use `lead_id=None` for a lead known only by an alias."""
        lead = {} if lead_id is None else {"lead_id": lead_id}
        return await self._post(
            "/orders", {"order_id": order_id, "amount": "49.90", "currency": "EUR", **lead, **fields}
        )

    async def credential(self, name: str = "A program") -> dict[str, Any]:
        return await self._post("/secrets", {"name": name})

    async def unit(self, name: str = "Elsewhere", **fields: Any) -> dict[str, Any]:
        return await self._post("/org-units", {"name": name, **fields})

    async def phone_region(self, unit_id: str, region: str | None) -> None:
        """Set the country of the OU's local phone numbers."""
        _body(await self._client.put(f"/org-units/{unit_id}", json={"name": "Sales", "phone_region": region}))

    async def member(self, email: str = "someone@example.com", **fields: Any) -> dict[str, Any]:
        person = {"first_name": "Some", "last_name": "One", "email": email, "role": "viewer", "password": PASSWORD}
        return await self._post("/members", {**person, **fields})

    async def token(self, name: str = "A script", **fields: Any) -> dict[str, Any]:
        return await self._post("/settings/tokens", {"name": name, **fields})

    async def score(self, lead_id: str = "lead-1", **parameters: Any) -> int:
        """The lead's score from the API; with `ruleset_id`, its total in that ruleset."""
        return _body(await self._client.get(f"/score/{lead_id}", params=parameters))["score"]

    async def _post(self, path: str, body: Any) -> Any:
        return _body(await self._client.post(path, json=body))


def _body(response: httpx.Response) -> Any:
    assert response.is_success, f"{response.request.method} {response.request.url}: {response.text}"
    return response.json() if response.content else None
