"""The first-start file: the first admin, credential and OU, saved for the person who started the server."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from leadvibe.core import private_files


@dataclass(frozen=True, slots=True)
class FirstStart:
    url: str
    email: str
    password: str
    client_id: str
    client_secret: str
    org_id: str
    unit_id: str


def first_start_file(data_dir: Path) -> Path:
    return data_dir / "first-start.json"


def curl_config_file(data_dir: Path) -> Path:
    """The credential in curl's configuration format, so that the curl commands of later starts don't show it."""
    return data_dir / "first-start.curl"


def save(data_dir: Path, first: FirstStart) -> None:
    private_files.write(curl_config_file(data_dir), f'user = "{first.client_id}:{first.client_secret}"\n')
    private_files.write(first_start_file(data_dir), json.dumps(asdict(first), indent=2) + "\n")


def load(data_dir: Path) -> FirstStart | None:
    """The content of the file; None if it doesn't exist or this user may not read it."""
    try:
        return FirstStart(**json.loads(first_start_file(data_dir).read_text()))
    except (FileNotFoundError, PermissionError):
        return None
