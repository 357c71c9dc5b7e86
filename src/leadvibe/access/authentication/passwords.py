"""Members' passwords: argon2 hashes, computed outside the event loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher()
# Each hash needs 64 MiB and one core. Two threads limit the load when many members sign in at once.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")

DUMMY_HASH = "$argon2id$v=19$m=65536,t=3,p=4$O3z8UAbPNh+mZg7IeM6Qhg$5/Rw7Kdsee/o/SgRs2/AQU7MxHKwK92jc5a1siFRhdc"
"""Verified when there is no account, so that the response takes as long as for an existing one."""


async def hash_password(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, password)


async def verify_password(password: str, password_hash: str | None) -> bool:
    """Whether the password matches the hash. With no hash it is False, after the same time."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, _matches, password, password_hash or DUMMY_HASH)


def needs_rehash(password_hash: str) -> bool:
    return _hasher.check_needs_rehash(password_hash)


def _matches(password: str, password_hash: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
