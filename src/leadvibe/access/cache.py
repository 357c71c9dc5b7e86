"""Credentials that were checked a moment ago, so that a stream of events doesn't look each one up."""

# SQLAlchemy's event listeners are untyped.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.scope import Scope

CHANNEL: Final = "leadvibe_access"
"""Told of revocations: each process then clears what it remembers."""
LIFETIME: Final = 5.0
"""Seconds: how long a revoked credential works where the news of it doesn't arrive."""
CAPACITY: Final = 10_000


class CredentialCache:
    def __init__(self) -> None:
        self._scopes: dict[str, tuple[float, Scope]] = {}
        self._generation = 0

    async def get(self, authorization: str, look_up: Callable[[], Awaitable[Scope]]) -> Scope:
        """The scope of an `Authorization` value, remembered or looked up."""
        known = self._scopes.get(authorization)
        if known is not None and monotonic() < known[0]:
            return known[1]
        generation = self._generation
        scope = await look_up()
        # A look-up that began before a revocation must not outlive it.
        if generation == self._generation:
            if len(self._scopes) >= CAPACITY:
                self._scopes.clear()
            self._scopes[authorization] = (monotonic() + LIFETIME, scope)
        return scope

    def clear(self) -> None:
        self._generation += 1
        self._scopes.clear()


credentials = CredentialCache()


async def forget_everywhere(session: AsyncSession) -> None:
    """Part of a revocation: when it commits, every process forgets what it remembers, this one before it answers."""
    await session.execute(text(f"NOTIFY {CHANNEL}"))
    event.listen(session.sync_session, "after_commit", lambda _: credentials.clear(), once=True)
