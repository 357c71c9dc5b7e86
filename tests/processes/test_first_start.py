"""The first-start file: its secrets are never missing for an organization that exists."""

# Pydantic takes a str for a SecretStr.
# pyright: reportArgumentType=false

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from leadvibe.access.models import Organization
from leadvibe.config import Settings
from leadvibe.core import private_files
from leadvibe.core.database.migrations import migrate
from leadvibe.core.database.transactions import opened_database, transaction
from leadvibe.core.postgres import embedded
from leadvibe.server import database_setup
from leadvibe.server.first_start import first_start_file


@pytest.fixture
def settings(tmp_path: Path) -> Generator[Settings]:
    server = embedded.start(tmp_path, embedded.DISPOSABLE)
    yield Settings(data_dir=tmp_path, database_url=server.url)
    server.stop()


async def organizations() -> int:
    async with transaction(None) as session:
        return await session.scalar(select(func.count()).select_from(Organization)) or 0


async def test_it_is_written_once_and_readable_by_its_owner_only(settings: Settings) -> None:
    await migrate(settings.database_url or "")
    async with opened_database(settings.database_url, pool_size=1):
        first = await database_setup.bootstrap_if_empty(settings, "http://here")
        again = await database_setup.bootstrap_if_empty(settings, "http://here")
        assert await organizations() == 1
    file = first_start_file(settings.data_dir)
    assert first is not None
    assert again is None
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text()) == {
        "url": "http://here",
        "email": "admin@example.com",
        "password": first.password,
        "client_id": first.client_id,
        "client_secret": first.client_secret,
        "org_id": first.org_id,
        "unit_id": first.unit_id,
    }


async def test_the_names_and_the_password_can_be_configured(settings: Settings) -> None:
    configured = Settings(
        data_dir=settings.data_dir,
        database_url=settings.database_url,
        admin_email="grace@example.com",
        admin_password="as long as it should be",
        organization_name="Hopper",
    )
    await migrate(settings.database_url or "")
    async with opened_database(settings.database_url, pool_size=1):
        first = await database_setup.bootstrap_if_empty(configured, "http://here")
        async with transaction(None) as session:
            assert await session.scalar(select(Organization.name)) == "Hopper"
    assert first is not None
    assert (first.email, first.password) == ("grace@example.com", "as long as it should be")


async def test_if_it_cannot_be_written_no_organization_is_created(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    await migrate(settings.database_url or "")
    async with opened_database(settings.database_url, pool_size=1):
        with monkeypatch.context() as patch:
            patch.setattr(private_files, "write", full)
            with pytest.raises(OSError, match="No space"):
                await database_setup.bootstrap_if_empty(settings, "http://here")
        assert await organizations() == 0
        assert await database_setup.bootstrap_if_empty(settings, "http://here") is not None
