"""Slows down who guesses passwords: limits the failed sign-ins of each account and client address.

An account is throttled only for the address of the failures, so strangers can't lock its owner out.
"""

from collections.abc import Generator, Hashable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from time import monotonic
from typing import Annotated, Final

from cachetools import TTLCache
from fastapi import Depends, Request

from leadvibe.config import settings
from leadvibe.core.http.problems import Invalid, NotAuthenticated, Problem

MAX_KEYS: Final = 100_000
"""How many accounts or addresses are remembered. Each is an entry of about 200 bytes."""
MAX_AT_ONCE: Final = 5
"""How many passwords of one address are checked at the same time, so that other addresses get their turn."""


class TooManyAttempts(Problem):
    status = 429
    detail = "Too many attempts to sign in. Try again later."

    def __init__(self, retry_after: float) -> None:
        super().__init__(headers={"Retry-After": str(max(1, ceil(retry_after)))})


class FailureLimit:
    """Counts failures by key. A count goes down steadily, from the limit to zero within the window."""

    def __init__(self, limit: int, window: timedelta) -> None:
        self._limit = limit
        self._seconds_each = window.total_seconds() / limit
        self._counts: TTLCache[Hashable, tuple[float, float]] = TTLCache(MAX_KEYS, window.total_seconds(), monotonic)

    def seconds_to_wait(self, key: Hashable) -> float:
        """The time until one more failure is within the limit."""
        return max(0.0, (self._count(key) + 1 - self._limit) * self._seconds_each)

    def add(self, key: Hashable, number: int) -> None:
        self._counts[key] = (max(0.0, self._count(key) + number), monotonic())

    def forget(self, key: Hashable) -> None:
        self._counts.pop(key, None)

    def _count(self, key: Hashable) -> float:
        count, at = self._counts.get(key, (0.0, 0.0))
        return max(0.0, count - (monotonic() - at) / self._seconds_each)


class SignInThrottle:
    """The failed attempts that a process has seen."""

    def __init__(self) -> None:
        config = settings()
        self._accounts = FailureLimit(config.sign_in_failures, config.sign_in_failure_window)
        self._addresses = FailureLimit(config.sign_in_failures_per_address, config.sign_in_failure_window)
        self._running: dict[str, int] = {}

    @contextmanager
    def attempt(self, account: str, address: str) -> Generator[None]:
        """One check of a password. A refusal counts as a failure; a success clears the account's failures.

        It counts from the beginning, so that attempts at the same time can't exceed the limit.
        """
        key = (account, address)
        wait = max(self._accounts.seconds_to_wait(key), self._addresses.seconds_to_wait(address))
        if wait > 0 or self._running.get(address, 0) >= MAX_AT_ONCE:
            raise TooManyAttempts(wait)
        self._accounts.add(key, 1)
        self._addresses.add(address, 1)
        self._running[address] = self._running.get(address, 0) + 1
        try:
            yield
        except (Invalid, NotAuthenticated):
            raise
        except BaseException:
            self._accounts.add(key, -1)
            self._addresses.add(address, -1)
            raise
        else:
            self._accounts.forget(key)
            self._addresses.add(address, -1)
        finally:
            self._running[address] -= 1
            if not self._running[address]:
                del self._running[address]


@dataclass(frozen=True, slots=True)
class AttemptsFrom:
    """The attempts of one client."""

    throttle: SignInThrottle
    address: str

    def on(self, email: str) -> AbstractContextManager[None]:
        return self.throttle.attempt(email.strip().lower(), self.address)


def network_of(host: str) -> str:
    """The client's address; of IPv6 the first 64 bits, because the client chooses the others."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else host


async def _attempts(request: Request) -> AttemptsFrom:
    host = request.client.host if request.client is not None else ""
    return AttemptsFrom(request.app.state.sign_in_throttle, network_of(host))


Attempts = Annotated[AttemptsFrom, Depends(_attempts)]
