"""Members' passwords: argon2 hashes, computed outside the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from leadvibe.access.authentication.password_rules import check_password
from leadvibe.core.http.problems import Invalid, Unavailable

T = TypeVar("T")

_hasher = PasswordHasher()
# Each hash needs 64 MiB and one core. Two threads limit the load when many members sign in at once.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
MAX_WAITING = 8
"""How many passwords may wait for a thread. A flood of sign-ins is refused at once instead of delaying all of them."""
_places = BoundedSemaphore(2 + MAX_WAITING)

DUMMY_HASH = "$argon2id$v=19$m=65536,t=3,p=4$O3z8UAbPNh+mZg7IeM6Qhg$5/Rw7Kdsee/o/SgRs2/AQU7MxHKwK92jc5a1siFRhdc"
"""Verified when there is no account, so that the response takes as long as for an existing one."""


class Busy(Unavailable):
    detail = "The server is checking too many passwords. Try again in a moment."


def refuse_weak(password: str, field: str, email: str, organization: str) -> None:
    """Raise `Invalid` for the field if the password is too easy to guess for this member."""
    try:
        check_password(password, email=email, organization=organization)
    except ValueError as error:
        raise Invalid.field(field, str(error)) from None


async def hash_password(password: str) -> str:
    return await _run(_hasher.hash, password)


async def verify_password(password: str, password_hash: str | None) -> bool:
    """Whether the password matches the hash. With no hash it is False, after the same time."""
    return await _run(_matches, password, password_hash or DUMMY_HASH)


def needs_rehash(password_hash: str) -> bool:
    return _hasher.check_needs_rehash(password_hash)


async def _run(work: Callable[..., T], *arguments: str) -> T:
    if not _places.acquire(blocking=False):
        raise Busy
    future = _threads.submit(work, *arguments)
    # The thread works on after the client has gone, so the place becomes free only when the work is done.
    future.add_done_callback(lambda _: _places.release())
    return await asyncio.wrap_future(future)


def _matches(password: str, password_hash: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
