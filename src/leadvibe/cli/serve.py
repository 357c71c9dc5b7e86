"""`leadvibe serve` and `leadvibe demo`: run the whole server."""

from typing import Annotated

import typer

from leadvibe.server.supervisor import supervise


def serve() -> None:
    """Run the server: PostgreSQL (unless LEADVIBE_DATABASE_URL is set), API and worker."""
    supervise()


def demo(seed: Annotated[int, typer.Option(help="The same seed plays the same visitors.")] = 1) -> None:
    """Run the server with sample rules and simulated visitors."""
    supervise(visitor_seed=seed)
