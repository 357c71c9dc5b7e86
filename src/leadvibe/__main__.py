"""`python -m leadvibe` is `leadvibe`."""

from leadvibe.cli.main import main

main()
