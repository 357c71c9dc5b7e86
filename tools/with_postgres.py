"""Runs a command with LEADVIBE_DATABASE_URL set to a new, temporary PostgreSQL."""  # noqa: INP001 - a script

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from leadvibe.core.postgres import embedded

with tempfile.TemporaryDirectory() as folder:
    server = embedded.start(Path(folder), embedded.DISPOSABLE)
    try:
        environment = {**os.environ, "LEADVIBE_DATABASE_URL": server.url}
        status = subprocess.call(sys.argv[1:], env=environment)  # noqa: S603 - its purpose
    finally:
        server.stop()
sys.exit(status)
