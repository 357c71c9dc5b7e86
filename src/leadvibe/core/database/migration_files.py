"""The folder of the migrations and the newest revision, without importing Alembic."""

from pathlib import Path

import leadvibe


def folder() -> Path:
    """Inside the installed package, or beside `src` in a checkout."""
    package = Path(leadvibe.__file__).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parents[1] / "migrations"


def newest() -> str:
    """The newest revision. Revisions are numbered, and file names begin with the number."""
    return max(path.name.split("_")[0] for path in (folder() / "versions").glob("[0-9]*_*.py"))
