"""The first organization, and the keys that everything is signed with."""

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
from leadvibe.config import settings
from leadvibe.core.scope import Role
from leadvibe.server.bootstrap import Bootstrapped, bootstrap
from support.callers import basic_authorization
from support.postgres import TestDatabase

ACME = {"organization": "Acme", "unit": "Sales", "email": "Ada@Acme.example", "password": "a long enough password"}


@pytest.fixture
async def empty(database: TestDatabase) -> TestDatabase:
    """A database in which there is nobody yet."""
    await database.execute("TRUNCATE organizations CASCADE")
    return database


async def test_a_founded_organization_can_be_entered(empty: TestDatabase) -> None:
    founded = await bootstrap(**ACME)
    assert founded is not None
    grant = await sign_in("ada@acme.example", ACME["password"])
    assert grant.org_member_id == founded.org_member_id
    encoded = basic_authorization(founded.client_id, founded.client_secret).removeprefix("Basic ")
    scope = await verify_credential(encoded)
    assert (scope.org_id, scope.unit_id, scope.role) == (founded.org_id, founded.unit_id, Role.OPERATOR)
    assert await empty.fetchval("SELECT config_version FROM org_units") == 1


async def test_its_secrets_dont_slip_into_a_log(empty: TestDatabase) -> None:
    founded = await bootstrap(**ACME)
    assert founded is not None
    assert founded.client_secret not in repr(founded)


async def test_there_is_one_founding(empty: TestDatabase) -> None:
    kept: list[Bootstrapped] = []
    founded = await asyncio.gather(*(bootstrap(**ACME, keep=kept.append) for _ in range(3)))
    assert [each for each in founded if each is not None] == kept
    assert len(kept) == 1
    assert await bootstrap(**ACME) is None


async def test_what_cant_be_kept_isnt_founded(empty: TestDatabase) -> None:
    def full(_founded: Bootstrapped) -> None:
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        await bootstrap(**ACME, keep=full)
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


def test_without_a_configured_key_one_is_made_and_kept(no_configured_key: Path) -> None:
    made = keys.secret_key()
    assert len(made) > 40
    assert stat.S_IMODE(no_configured_key.stat().st_mode) == 0o600
    keys.secret_key.cache_clear()
    assert keys.secret_key() == made


def test_each_purpose_has_a_key_of_its_own() -> None:
    assert keys.key_for("one") != keys.key_for("another")
    assert len(keys.key_for("one")) == 32
