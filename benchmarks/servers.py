"""Where benchmarks run: an empty database of their own, as durable as in production."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from leadvibe.core import embedded


@contextmanager
def empty_database() -> Generator[str]:
    """`LEADVIBE_DATABASE_URL`, which must be empty; without it an embedded server that goes when the block ends."""
    if url := os.environ.get("LEADVIBE_DATABASE_URL"):
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="leadvibe-bench-") as folder:
        postgres = embedded.start(Path(folder))
        try:
            yield postgres.url
        finally:
            postgres.stop()
