"""The command line: what it offers, and what it says when it can't."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from leadvibe.cli.main import COMMANDS
from leadvibe.server.first_start import FirstStart, save


def leadvibe(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("LEADVIBE_")}
    return subprocess.run(
        [sys.executable, "-m", "leadvibe", *arguments],
        env={**surroundings, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def test_its_help_names_every_command() -> None:
    said = leadvibe("--help")
    assert said.returncode == 0
    assert [name for name in COMMANDS if f" {name} " not in said.stdout] == []


def test_a_word_that_is_no_command_is_an_error() -> None:
    said = leadvibe("dance")
    assert said.returncode == 2
    assert "dance" in said.stderr


def test_it_tells_its_version() -> None:
    assert leadvibe("version").stdout.strip() == "0.1.0"


def test_it_gives_a_shell_the_address_and_credential_of_the_first_start(tmp_path: Path) -> None:
    save(
        tmp_path, FirstStart("http://127.0.0.1:8000", "a@example.com", "pass word", "lv_ci_1", "lv_cs_2", "org", "unit")
    )
    said = leadvibe("env", LEADVIBE_DATA_DIR=str(tmp_path))
    assert said.stdout == "URL=http://127.0.0.1:8000 KEY=lv_ci_1:lv_cs_2\n"


def test_before_the_first_start_it_says_so_in_words(tmp_path: Path) -> None:
    said = leadvibe("env", LEADVIBE_DATA_DIR=str(tmp_path))
    assert said.returncode == 1
    assert "start the server first" in said.stderr


@pytest.mark.parametrize("command", ["serve", "worker", "migrate"])
def test_a_setting_that_makes_no_sense_is_named(command: str) -> None:
    said = leadvibe(command, LEADVIBE_API_PROCESSES="many")
    assert said.returncode == 1
    assert "api_processes" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_database_that_is_not_there_is_said_in_words(tmp_path: os.PathLike[str]) -> None:
    said = leadvibe(
        "serve", LEADVIBE_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", LEADVIBE_DATA_DIR=str(tmp_path), PORT="0"
    )
    assert said.returncode == 1
    assert "can't be reached" in said.stderr
    assert "Traceback" not in said.stderr
