"""`python -m leadvibe` is `leadvibe`."""

from leadvibe.cli import main

main()
