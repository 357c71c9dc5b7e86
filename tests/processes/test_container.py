"""Dockerfile and docker-compose.yml name only settings, commands and files that exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from leadvibe.cli.main import COMMANDS
from leadvibe.config import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_compose_runs_commands_that_exist() -> None:
    ours = {name: service for name, service in COMPOSE["services"].items() if service.get("build")}
    assert sorted(ours) == ["api", "migrate", "worker"]
    assert [service["command"][0] for service in ours.values() if service["command"][0] not in COMMANDS] == []


def test_every_setting_in_the_container_files_exists() -> None:
    named = set(re.findall(r"\bLEADVIBE_(\w+)", DOCKERFILE))
    named |= {name.removeprefix("LEADVIBE_") for name in COMPOSE["x-leadvibe"]["environment"] if name != "TMPDIR"}
    named |= {name.removeprefix("leadvibe_") for name in COMPOSE["secrets"]}
    assert {name.lower() for name in named} - Settings.model_fields.keys() == set()


@pytest.mark.parametrize("service", COMPOSE["services"].values(), ids=COMPOSE["services"])
def test_every_container_is_confined(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"]
    assert service["mem_limit"]


def test_no_environment_of_a_container_holds_a_password_of_ours() -> None:
    for service in COMPOSE["services"].values():
        assert not {"POSTGRES_PASSWORD", "LEADVIBE_SECRET_KEY"} & service["environment"].keys()
        assert "leadvibe_database_password" in service["secrets"]


def test_the_image_copies_only_files_in_its_build_context() -> None:
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    seen = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {source for source in copied if not (ROOT / source).exists()} == set()
    assert set(copied) <= seen


def test_the_image_runs_as_an_ordinary_user() -> None:
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["10001"]
