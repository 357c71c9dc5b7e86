"""Failed operations are retried while that can help."""

import asyncio
from datetime import timedelta

import pytest

from leadvibe.core import retries
from leadvibe.core.retries import MAX_ATTEMPTS, pause_after, retry_forever, retry_transient


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "INITIAL_PAUSE_SECONDS", 0.0)


class Step:
    """Fails this many times before it succeeds."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures = failures
        self.error = error
        self.attempts = 0

    async def __call__(self) -> str:
        self.attempts += 1
        if self.attempts <= self.failures:
            raise self.error
        return "done"


async def test_a_transient_failure_is_retried() -> None:
    step = Step(MAX_ATTEMPTS - 1, ConnectionError("the server restarts"))
    assert await retry_transient(step) == "done"
    assert step.attempts == MAX_ATTEMPTS


async def test_a_transient_failure_that_lasts_too_long_is_raised() -> None:
    step = Step(MAX_ATTEMPTS, ConnectionError("the server restarts"))
    with pytest.raises(ConnectionError):
        await retry_transient(step)
    assert step.attempts == MAX_ATTEMPTS


async def test_a_permanent_failure_is_raised_at_once() -> None:
    step = Step(1, ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        await retry_transient(step)
    assert step.attempts == 1


async def test_what_is_retried_forever_pauses_twice_as_long_each_time_up_to_a_maximum() -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    step = Step(6, ValueError("a bug"))
    done = await retry_forever(step, "step failed", initial_pause_seconds=0.5, max_pause_seconds=5, sleep=sleep)
    assert done == "done"
    assert pauses == [0.5, 1, 2, 4, 5, 5]


def test_a_pause_doubles_with_each_failure_up_to_a_maximum() -> None:
    initial, maximum = timedelta(seconds=1), timedelta(minutes=10)
    assert [pause_after(n, initial, maximum).total_seconds() for n in (1, 2, 3, 10, 11, 10_000)] == [
        *(1, 2, 4, 512),
        *(600, 600),
    ]


async def test_a_cancelled_task_is_not_retried_if_its_cleanup_fails() -> None:
    began = asyncio.Event()
    attempts = 0

    async def wait_and_fail_to_clean_up() -> None:
        nonlocal attempts
        attempts += 1
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise TimeoutError("the server doesn't answer")

    task = asyncio.create_task(retry_forever(wait_and_fail_to_clean_up, "step failed", max_pause_seconds=5))
    await began.wait()
    task.cancel()
    await asyncio.wait({task}, timeout=5)
    assert (task.done(), attempts) == (True, 1)
    assert isinstance(task.exception(), TimeoutError)
