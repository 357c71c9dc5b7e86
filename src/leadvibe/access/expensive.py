"""Limits how many expensive operations run at once in an API process, in all and for each OU."""

from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from typing import Any

from fastapi import Depends

from leadvibe.access.dependencies import CurrentScope
from leadvibe.config import settings
from leadvibe.core.http.problems import Unavailable, problems

RETRY_AFTER_SECONDS = 2


class TooManyAtOnce(Unavailable):
    detail = "Too many expensive operations are running. Try again in a moment."

    def __init__(self, limit: int, where: str, setting: str) -> None:
        super().__init__(
            f"At most {limit} simulations, rule tests, previews, exports, imports and merges can run at once {where} "
            f"({setting}). Try again in a moment.",
            retry_after=RETRY_AFTER_SECONDS,
        )


class ExpensiveOperations:
    """The expensive operations that this process runs."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()

    def check(self, unit_id: str) -> None:
        """Raise TooManyAtOnce if the OU can't start another one now."""
        in_unit, in_process = settings().expensive_operations_per_unit, settings().expensive_operations
        if self._running[unit_id] >= in_unit:
            raise TooManyAtOnce(in_unit, "in one OU", "LEADVIBE_EXPENSIVE_OPERATIONS_PER_UNIT")
        if self._running.total() >= in_process:
            raise TooManyAtOnce(in_process, "in one process of the server", "LEADVIBE_EXPENSIVE_OPERATIONS")

    @contextmanager
    def running(self, unit_id: str) -> Generator[None]:
        """Count an operation of this OU during the block. Raises TooManyAtOnce beyond a limit."""
        self.check(unit_id)
        self._running[unit_id] += 1
        try:
            yield
        finally:
            self._running[unit_id] -= 1
            if not self._running[unit_id]:
                del self._running[unit_id]


expensive_operations = ExpensiveOperations()


async def _expensive(scope: CurrentScope) -> AsyncGenerator[None]:
    with expensive_operations.running(scope.unit_id):
        yield


EXPENSIVE: Any = Depends(_expensive)
"""Counts the request as an expensive operation until its response is sent: `dependencies=[EXPENSIVE]`."""

BUSY = problems(Unavailable)
"""The answer of an expensive operation beyond the limit, for a route's `responses`."""
