"""Files with secrets: readable by their owner only, and written atomically."""

import contextlib
import os
import secrets
from collections.abc import Generator
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Create or replace the file."""
    with _temporary(path, text) as temporary:
        temporary.replace(path)


def write_once(path: Path, text: str) -> str:
    """Create the file unless it exists, and return its content."""
    with _temporary(path, text) as temporary, contextlib.suppress(FileExistsError):
        path.hardlink_to(temporary)
    return path.read_text()


@contextlib.contextmanager
def _temporary(path: Path, text: str) -> Generator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        give_to_folder_owner(temporary)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def give_to_folder_owner(path: Path) -> None:
    """If root created the file, make the folder's owner its owner: that user could not read it otherwise."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid)
