"""Files that hold secrets: only their owner may read them, and they are there whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Generator
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Put the text in place of whatever the file held."""
    with _written(path, text) as whole:
        whole.replace(path)


def write_once(path: Path, text: str) -> str:
    """What the file holds: the text, unless somebody put another one there first."""
    with _written(path, text) as whole, contextlib.suppress(FileExistsError):
        path.hardlink_to(whole)
    return path.read_text()


@contextlib.contextmanager
def _written(path: Path, text: str) -> Generator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        belong_to_folder(whole)
        yield whole
    finally:
        whole.unlink(missing_ok=True)


def belong_to_folder(path: Path) -> None:
    """Give what root made to the owner of the folder it lies in, or it would lock that user out."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid)
