"""Runs a command with a fresh PostgreSQL in LEADVIBE_DATABASE_URL, which ends with it."""  # noqa: INP001 - a script, no package

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from leadvibe.core.postgres import embedded

with tempfile.TemporaryDirectory() as folder:
    server = embedded.start(Path(folder), embedded.DISPOSABLE)
    try:
        surroundings = {**os.environ, "LEADVIBE_DATABASE_URL": server.url}
        status = subprocess.call(sys.argv[1:], env=surroundings)  # noqa: S603 - that is what it is for
    finally:
        server.stop()
sys.exit(status)
