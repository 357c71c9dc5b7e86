"""The operating-system user that runs the embedded PostgreSQL, which refuses to run as root."""

import contextlib
import os
import pwd
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from leadvibe.core.command_error import CommandError

SERVICE_USER = "leadvibe"
_CREATE_USER = [
    *("useradd", "--system", "--user-group", "--no-create-home"),
    *("--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", SERVICE_USER),
]


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A user and its group."""

    uid: int
    gid: int

    @property
    def user(self) -> int | None:
        """The `user` argument for a child process; None if the current user is the account."""
        return self.uid if os.geteuid() == 0 else None

    @property
    def group(self) -> int | None:
        return self.gid if os.geteuid() == 0 else None

    @property
    def extra_groups(self) -> list[int] | None:
        return [] if os.geteuid() == 0 else None

    def take_ownership(self, folder: Path) -> None:
        if os.geteuid() == 0:
            os.chown(folder, self.uid, self.gid)

    def can_enter(self, folder: Path) -> bool:
        """Whether the account may enter the folder and all its parents."""
        return all(self._may(step, stat.S_IXOTH) for step in (folder, *folder.parents))

    def _may(self, path: Path, right: int) -> bool:
        status = path.stat()
        if status.st_uid == self.uid:
            right <<= 6
        elif status.st_gid == self.gid:
            right <<= 3
        return bool(status.st_mode & right)

    def can_run(self, program: Path) -> bool:
        return self.can_enter(program.parent) and self._may(program, stat.S_IROTH) and self._may(program, stat.S_IXOTH)


def service_account(data_dir: Path) -> ServiceAccount:
    """The current user; for root, the owner of the data directory, or a dedicated user if root owns it."""
    if os.geteuid() != 0:
        return ServiceAccount(os.geteuid(), os.getegid())
    cluster = data_dir / "postgres"
    if cluster.exists() and (status := cluster.stat()).st_uid != 0:
        return ServiceAccount(status.st_uid, status.st_gid)
    owner = data_dir.stat().st_uid
    with contextlib.suppress(KeyError):  # initdb needs a user that exists
        if owner != 0:
            account = pwd.getpwuid(owner)
            return ServiceAccount(account.pw_uid, account.pw_gid)
    return _dedicated_account()


def _dedicated_account() -> ServiceAccount:
    with contextlib.suppress(KeyError):
        return _account(SERVICE_USER)
    with contextlib.suppress(FileNotFoundError):
        subprocess.run(_CREATE_USER, check=False, capture_output=True)  # noqa: S603 - fixed arguments
    with contextlib.suppress(KeyError):
        return _account(SERVICE_USER)
    raise CommandError(
        f"PostgreSQL refuses to run as root, and the user '{SERVICE_USER}' could not be created. "
        "Start as another user than root, create that user, or set LEADVIBE_DATABASE_URL."
    )


def _account(name: str) -> ServiceAccount:
    account = pwd.getpwnam(name)
    return ServiceAccount(account.pw_uid, account.pw_gid)


def path_for_server(cluster: Path, account: ServiceAccount) -> str:
    """The cluster's path as passed to the server, which is started in that folder.

    If the account can't enter a parent folder (a private home, a temporary folder of root), the path would not work.
    Opening the parents would expose their content. So the server gets its current directory, which needs no rights on
    the parents.
    """
    if account.can_enter(cluster.parent):
        return str(cluster)
    if sys.platform == "linux":
        return "/proc/self/cwd"
    raise CommandError(
        f"PostgreSQL can't run as root, and the user it runs as can't enter {_closed_parent(cluster.parent, account)}. "
        "Choose a LEADVIBE_DATA_DIR whose parent folders all users may enter, or start as another user than root."
    )


def _closed_parent(folder: Path, account: ServiceAccount) -> Path:
    return next(step for step in reversed((folder, *folder.parents)) if not account.can_enter(step))
