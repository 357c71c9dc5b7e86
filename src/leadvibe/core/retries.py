"""Retries failed operations, with pauses that double up to a maximum."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, TypeVar, cast

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_exponential

from leadvibe.core.logs import summary
from leadvibe.core.transient import is_transient

T = TypeVar("T")

MAX_ATTEMPTS: Final = 10
INITIAL_PAUSE_SECONDS: Final = 0.1
MAX_PAUSE_SECONDS: Final = 10.0

log = structlog.get_logger()


async def retry_transient(step: Callable[[], Awaitable[T]]) -> T:
    """Run one step of a long job; transient failures are retried, at most `MAX_ATTEMPTS` attempts in all.

    A step is one transaction. Each step has all its attempts, so that a passing failure doesn't fail the whole job.
    """
    retrying = AsyncRetrying(
        stop=stop_after_attempt(MAX_ATTEMPTS),
        retry=retry_if_exception(lambda error: _may_retry(error) and is_transient(error)),
        wait=wait_exponential(INITIAL_PAUSE_SECONDS, MAX_PAUSE_SECONDS),
        before_sleep=_log_failure("job step failed", {}),
        reraise=True,
    )
    return await _run(retrying, step)


async def retry_forever(
    operation: Callable[[], Awaitable[T]],
    failure: str,
    *,
    initial_pause_seconds: float = INITIAL_PAUSE_SECONDS,
    max_pause_seconds: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    **context: Any,
) -> T:
    """Run an operation until it succeeds or is cancelled, and log each failure under the event name `failure`.

    For the loops of a process that must never end because of an error. `sleep` may return early.
    """
    retrying = AsyncRetrying(
        sleep=sleep,
        retry=retry_if_exception(_may_retry),
        wait=wait_exponential(initial_pause_seconds, max_pause_seconds),
        before_sleep=_log_failure(failure, context),
        reraise=True,
    )
    return await _run(retrying, operation)


def pause_after(failures: int, initial: timedelta, maximum: timedelta) -> timedelta:
    """The pause after this many consecutive failures (1 or more).

    For pauses that tenacity can't sleep through, because the attempts aren't made by one call: the job queue stores
    them in the database, and the supervisor resets them when a process has run long enough.
    """
    return min(initial * 2 ** min(failures - 1, 30), maximum)


def is_cancelled() -> bool:
    """Whether the current task was cancelled, even if an error of its cleanup replaced the CancelledError.

    A loop that goes on after any error must ask this first, or it never ends.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _may_retry(error: BaseException) -> bool:
    return isinstance(error, Exception) and not is_cancelled()


async def _run(retrying: AsyncRetrying, operation: Callable[[], Awaitable[T]]) -> T:
    async def attempt() -> T:  # tenacity awaits coroutine functions only, not a lambda that returns an awaitable
        return await operation()

    return cast("T", await retrying(attempt))


def _log_failure(event: str, context: dict[str, Any]) -> Callable[[RetryCallState], None]:
    def log_failure(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if error is None:
            return
        if is_transient(error):
            log.warning(event, retry_in_seconds=state.upcoming_sleep, reason=summary(error), **context)
        else:
            log.error(event, retry_in_seconds=state.upcoming_sleep, exc_info=error, **context)

    return log_failure
