"""Writes the API's description to `openapi.yaml`; with `--check` compares the file instead."""

import sys
from collections.abc import Sequence
from pathlib import Path

from leadvibe.server.app import create_app
from leadvibe.server.openapi import render


def main(arguments: Sequence[str]) -> int:
    file, current = Path("openapi.yaml"), render(create_app().openapi())
    if "--check" not in arguments:
        file.write_text(current)
        return 0
    if file.exists() and file.read_text() == current:
        return 0
    sys.stderr.write("openapi.yaml is out of date: run `make openapi`.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
