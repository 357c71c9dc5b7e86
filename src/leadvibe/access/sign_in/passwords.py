"""Members' passwords: argon2, off the event loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher()
# Each hash takes 64 MiB and a core: a flood of sign-ins waits here instead of taking the machine.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")

NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$O3z8UAbPNh+mZg7IeM6Qhg$5/Rw7Kdsee/o/SgRs2/AQU7MxHKwK92jc5a1siFRhdc"
"""Verified where there is no account, so that the answer takes as long as for a real one."""


async def hash_password(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, password)


async def password_fits(password: str, hashed: str | None) -> bool:
    """Whether the password is the hashed one; where nothing is hashed it takes as long to say no."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _fits, password, hashed or NOBODY)


def needs_rehash(hashed: str) -> bool:
    return _hasher.check_needs_rehash(hashed)


def _fits(password: str, hashed: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
