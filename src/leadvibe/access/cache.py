"""Remembers recently verified credentials, so that a stream of events doesn't look each one up."""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from cachetools import TTLCache
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.scope import Scope

CHANNEL: Final = "leadvibe_access"
"""Notified of every revocation: each process then clears its cache."""
TTL_SECONDS: Final = 5.0
"""How long a revoked credential may still work in a process that misses the notification."""
MAX_CREDENTIALS: Final = 10_000


class CredentialCache:
    """The scopes of `Authorization` values."""

    def __init__(self, max_credentials: int = MAX_CREDENTIALS, timer: Callable[[], float] = monotonic) -> None:
        self._scopes: TTLCache[str, Scope] = TTLCache(max_credentials, TTL_SECONDS, timer)
        self._generation = 0

    async def get(self, authorization: str, look_up: Callable[[], Awaitable[Scope]]) -> Scope:
        """The scope of an `Authorization` value, from the cache or looked up."""
        cached = self._scopes.get(authorization)
        if cached is not None:
            return cached
        generation = self._generation
        scope = await look_up()
        # A look-up that began before a revocation must not outlive it.
        if generation == self._generation:
            self._scopes[authorization] = scope
        return scope

    def clear(self) -> None:
        self._generation += 1
        self._scopes.clear()


credentials = CredentialCache()


async def forget_everywhere(session: AsyncSession) -> None:
    """Clear the cache of every process when this transaction commits: this process's before it answers."""
    await session.execute(text(f"NOTIFY {CHANNEL}"))
    event.listen(session.sync_session, "after_commit", lambda _: credentials.clear(), once=True)
