"""Computations in threads: they stop with the task that waits for them."""

import asyncio
import threading

import pytest

from leadvibe.core.threads import Stopped, StopSignal, compute
from support.endless import EndlessWork


async def test_a_computation_returns_its_result_or_raises_its_error() -> None:
    assert await compute(lambda signal: [*signal.checked(range(3))]) == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        await compute(lambda _: 1 // 0)


async def test_a_cancelled_computation_has_ended_before_its_task() -> None:
    work = EndlessWork()
    task = asyncio.create_task(compute(work))
    await work.has_begun()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.stopped


async def test_a_computation_that_waits_for_a_thread_never_begins_once_it_is_cancelled() -> None:
    busy, begun = threading.Event(), list[str]()
    running = [asyncio.create_task(compute(lambda _: busy.wait())) for _ in range(4)]
    waiting = asyncio.create_task(compute(lambda _: begun.append("waiting")))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    busy.set()
    assert await asyncio.gather(*running) == [True] * 4
    assert begun == []


def test_items_are_checked_before_the_first_and_at_intervals() -> None:
    signal = StopSignal()
    items = signal.checked(range(10), every=3)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    signal.stop()
    with pytest.raises(Stopped):
        next(items)
    with pytest.raises(Stopped):
        next(signal.checked([1]))
