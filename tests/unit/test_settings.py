"""Settings: where secrets come from."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from leadvibe.config import Settings


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://ada@db:5432/leads", "postgresql://ada:p%40ss%2Fword@db:5432/leads"),
        ("postgresql://ada@db/leads?sslmode=require", "postgresql://ada:p%40ss%2Fword@db/leads?sslmode=require"),
        ("postgresql://ada:own@db/leads", "postgresql://ada:own@db/leads"),
        ("postgresql://db/leads", "postgresql://db/leads"),
    ],
)
def test_the_password_is_added_to_a_url_without_one(url: str, expected: str) -> None:
    assert Settings(database_url=url, database_password=SecretStr("p@ss/word")).database_url == expected


def test_a_password_without_a_url_changes_nothing() -> None:
    assert Settings(database_password=SecretStr("x")).database_url is None


def test_files_of_secrets_are_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEADVIBE_SECRET_KEY")
    (tmp_path / "leadvibe_secret_key").write_text("a key for tests, as long as it should be\n")
    (tmp_path / "leadvibe_database_password").write_text("secret\n")
    settings = Settings(_secrets_dir=tmp_path, database_url="postgresql://ada@db/leads")  # type: ignore[call-arg]
    assert settings.secret_key is not None
    assert settings.secret_key.get_secret_value() == "a key for tests, as long as it should be"
    assert settings.database_url == "postgresql://ada:secret@db/leads"
