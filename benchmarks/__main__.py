"""`make bench`: runs all benchmarks except `reads`; `make bench ARGS=worker` runs one.

`reads` needs the data of `make bench-data`.
"""

import subprocess
import sys

ALL = ("ingest", "worker", "rescore", "simulate", "hard_lead", "many_aliases")

for name in sys.argv[1:] or ALL:
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
