"""What the first start made, as it is kept for whoever started it."""

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


def note(data_dir: Path) -> Path:
    return data_dir / "first-start.json"


def for_curl(data_dir: Path) -> Path:
    """The credential as curl reads it, so that later starts needn't show it."""
    return data_dir / "first-start.curl"


def save(data_dir: Path, first: FirstStart) -> None:
    private_files.write(for_curl(data_dir), f'user = "{first.client_id}:{first.client_secret}"\n')
    private_files.write(note(data_dir), json.dumps(asdict(first), indent=2) + "\n")


def remembered(data_dir: Path) -> FirstStart | None:
    """What the first start in this data directory made; None before it, and to whom the note is closed."""
    try:
        return FirstStart(**json.loads(note(data_dir).read_text()))
    except (FileNotFoundError, PermissionError):
        return None
