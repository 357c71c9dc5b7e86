"""The first organization, and the keys for signatures."""

# Arguments are passed as a mapping of texts.
# pyright: reportArgumentType=false

import asyncio
import stat
from collections.abc import Generator
from pathlib import Path

import pytest

from leadvibe.access import secret_key as keys
from leadvibe.access.authentication.credentials import verify_credential
from leadvibe.access.sign_in.service import sign_in
from leadvibe.access.sign_in.throttle import AttemptsFrom, SignInThrottle
from leadvibe.config import settings
from leadvibe.core.scope import Role
from leadvibe.server.bootstrap import Bootstrapped, bootstrap
from support.callers import basic_authorization
from support.postgres import TestDatabase

ACME = {"organization": "Acme", "unit": "Sales", "email": "Ada@Acme.example", "password": "a long enough password"}


@pytest.fixture
async def empty(database: TestDatabase) -> TestDatabase:
    """A database without an organization."""
    await database.execute("TRUNCATE organizations CASCADE")
    return database


async def test_the_admin_can_sign_in_and_the_credential_works(empty: TestDatabase) -> None:
    created = await bootstrap(**ACME)
    assert created is not None
    grant = await sign_in("ada@acme.example", ACME["password"], AttemptsFrom(SignInThrottle(), "192.0.2.1"))
    assert grant.org_member_id == created.org_member_id
    encoded = basic_authorization(created.client_id, created.client_secret).removeprefix("Basic ")
    scope = await verify_credential(encoded)
    assert (scope.org_id, scope.unit_id, scope.role) == (created.org_id, created.unit_id, Role.OPERATOR)
    assert await empty.fetchval("SELECT config_version FROM org_units") == 1


async def test_the_secret_is_not_in_the_repr(empty: TestDatabase) -> None:
    created = await bootstrap(**ACME)
    assert created is not None
    assert created.client_secret not in repr(created)


async def test_only_one_organization_is_created(empty: TestDatabase) -> None:
    saved: list[Bootstrapped] = []
    created = await asyncio.gather(*(bootstrap(**ACME, before_commit=saved.append) for _ in range(3)))
    assert [each for each in created if each is not None] == saved
    assert len(saved) == 1
    assert await bootstrap(**ACME) is None


async def test_nothing_is_created_if_before_commit_fails(empty: TestDatabase) -> None:
    def full(_created: Bootstrapped) -> None:
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        await bootstrap(**ACME, before_commit=full)
    assert await empty.fetchval("SELECT count(*) FROM organizations") == 0


@pytest.fixture
def no_configured_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[Path]:
    monkeypatch.delenv("LEADVIBE_SECRET_KEY")
    monkeypatch.setenv("LEADVIBE_DATA_DIR", str(tmp_path))
    caches = (settings, keys.secret_key, keys.key_for)
    for cache in caches:
        cache.cache_clear()
    yield tmp_path / "secret.key"
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()


def test_without_a_configured_key_one_is_generated_and_stored(no_configured_key: Path) -> None:
    made = keys.secret_key()
    assert len(made) > 40
    assert stat.S_IMODE(no_configured_key.stat().st_mode) == 0o600
    keys.secret_key.cache_clear()
    assert keys.secret_key() == made


def test_each_purpose_has_its_own_key() -> None:
    assert keys.key_for("one") != keys.key_for("another")
    assert len(keys.key_for("one")) == 32
