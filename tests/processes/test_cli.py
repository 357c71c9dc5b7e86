"""The command line: its help, its small commands and its error messages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from leadvibe.cli.main import COMMANDS
from leadvibe.server.first_start import FirstStart, save


def leadvibe(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEADVIBE_")}
    return subprocess.run(
        [sys.executable, "-m", "leadvibe", *arguments],
        env={**environment, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def test_its_help_names_every_command() -> None:
    result = leadvibe("--help")
    assert result.returncode == 0
    assert [name for name in COMMANDS if f" {name} " not in result.stdout] == []


def test_an_unknown_command_is_an_error() -> None:
    result = leadvibe("dance")
    assert result.returncode == 2
    assert "dance" in result.stderr


def test_it_prints_its_version() -> None:
    assert leadvibe("version").stdout.strip() == "0.1.0"


def test_it_prints_the_url_and_credential_of_the_first_start_for_a_shell(tmp_path: Path) -> None:
    save(
        tmp_path, FirstStart("http://127.0.0.1:8000", "a@example.com", "pass word", "lv_ci_1", "lv_cs_2", "org", "unit")
    )
    result = leadvibe("env", LEADVIBE_DATA_DIR=str(tmp_path))
    assert result.stdout == "URL=http://127.0.0.1:8000 KEY=lv_ci_1:lv_cs_2\n"


def test_without_a_first_start_file_it_says_so(tmp_path: Path) -> None:
    result = leadvibe("env", LEADVIBE_DATA_DIR=str(tmp_path))
    assert result.returncode == 1
    assert "start the server first" in result.stderr


def test_a_short_secret_key_is_refused(tmp_path: Path) -> None:
    key = "only thirty-one bytes, not more"
    result = leadvibe("migrate", LEADVIBE_SECRET_KEY=key, LEADVIBE_DATA_DIR=str(tmp_path))
    assert result.returncode == 1
    assert "LEADVIBE_SECRET_KEY must have at least 32 bytes" in result.stderr
    assert "thirty-one" not in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({}, "LEADVIBE_JWKS_ISSUER"),
        ({"LEADVIBE_JWKS_AUDIENCE": "leadvibe"}, "LEADVIBE_JWKS_ISSUER"),
        ({"LEADVIBE_JWKS_ISSUER": "https://id.example.com"}, "LEADVIBE_JWKS_AUDIENCE"),
    ],
)
def test_an_outside_issuer_needs_its_name_and_an_audience(
    settings: dict[str, str], missing: str, tmp_path: Path
) -> None:
    url = "https://id.example.com/keys"
    result = leadvibe("migrate", LEADVIBE_JWKS_URL=url, LEADVIBE_DATA_DIR=str(tmp_path), **settings)
    assert result.returncode == 1
    assert f"LEADVIBE_JWKS_URL also needs {missing}" in result.stderr


@pytest.mark.parametrize("command", ["serve", "worker", "migrate"])
def test_an_invalid_setting_is_named(command: str) -> None:
    result = leadvibe(command, LEADVIBE_API_PROCESSES="many")
    assert result.returncode == 1
    assert "api_processes" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unreachable_database_is_reported(tmp_path: os.PathLike[str]) -> None:
    result = leadvibe(
        "serve", LEADVIBE_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", LEADVIBE_DATA_DIR=str(tmp_path), PORT="0"
    )
    assert result.returncode == 1
    assert "can't be reached" in result.stderr
    assert "Traceback" not in result.stderr
