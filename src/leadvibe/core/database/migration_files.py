"""Where the migrations are and which is the newest, for those who only want to know."""

from pathlib import Path

import leadvibe


def folder() -> Path:
    """Beside the package in a checkout, inside it when installed."""
    package = Path(leadvibe.__file__).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parents[1] / "migrations"


def newest() -> str:
    """The newest revision: they are numbered, and their files begin with the number."""
    return max(path.name.split("_")[0] for path in (folder() / "versions").glob("[0-9]*_*.py"))
