"""`make bench`: every benchmark but `reads`, one after the other; `make bench ARGS=worker` for one.

`reads` needs what `make bench-data` makes.
"""

import subprocess
import sys

ALL = ("ingest", "worker", "rescore", "simulate", "hard_lead")

for name in sys.argv[1:] or ALL:
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
