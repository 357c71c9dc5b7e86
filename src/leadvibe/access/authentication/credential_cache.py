"""Recently verified API credentials, so that not every request of a stream reads the database."""

# SQLAlchemy's event listeners are untyped.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from cachetools import TTLCache
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from leadvibe.core.scope import Scope

CHANNEL: Final = "leadvibe_access"
"""The NOTIFY channel for ended access: every process that listens clears its cache and checks its open streams."""
LIFETIME_SECONDS: Final = 5.0
"""How long a process that misses the notification still accepts a revoked credential."""
MAX_ENTRIES: Final = 10_000


class CredentialCache:
    """Scopes by the value of the `Authorization` header."""

    def __init__(self, max_entries: int = MAX_ENTRIES, timer: Callable[[], float] = monotonic) -> None:
        self._scopes: TTLCache[str, Scope] = TTLCache(max_entries, LIFETIME_SECONDS, timer)
        self._generation = 0

    async def get(self, authorization: str, verify: Callable[[], Awaitable[Scope]]) -> Scope:
        """The scope of an `Authorization` value, from the cache or from `verify`."""
        cached = self._scopes.get(authorization)
        if cached is not None:
            return cached
        generation = self._generation
        scope = await verify()
        # A result from before a revocation must not be cached after it.
        if generation == self._generation:
            self._scopes[authorization] = scope
        return scope

    def find(self, authorization: str) -> Scope | None:
        """The scope of an `Authorization` value, if it is in the cache."""
        try:
            return self._scopes[authorization]  # get() would look it up twice
        except KeyError:
            return None

    def clear(self) -> None:
        self._generation += 1
        self._scopes.clear()


credential_cache = CredentialCache()


async def announce_access_change(session: AsyncSession) -> None:
    """Make all processes clear their caches and check their open streams when the session commits.

    This process's cache is cleared before the response is sent.
    """
    await session.execute(text(f"NOTIFY {CHANNEL}"))

    def clear_after_commit(_: Session) -> None:
        credential_cache.clear()

    event.listen(session.sync_session, "after_commit", clear_after_commit, once=True)
