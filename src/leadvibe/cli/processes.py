"""`leadvibe api` and `leadvibe worker`: run a single process of the server."""

import gc
import socket
from typing import Annotated

import typer

from leadvibe.config import settings
from leadvibe.server import address, database


def api(fd: Annotated[int | None, typer.Option(hidden=True, help="A listening socket to inherit.")] = None) -> None:
    """Run an API process."""
    gc.disable()  # imported modules are never garbage: collecting during the imports takes a fifth of the start
    import uvicorn  # noqa: PLC0415 - only this command needs it

    from leadvibe.core.interpreter_tuning import raise_file_limit, shorten_switch_interval  # noqa: PLC0415 - likewise
    from leadvibe.core.logs import start_logging  # noqa: PLC0415 - likewise
    from leadvibe.server.app import create_app  # noqa: PLC0415 - likewise
    from leadvibe.server.http_protocol import BoundedHttpProtocol  # noqa: PLC0415 - likewise

    start_logging(settings().log_level, as_json=settings().log_json)
    shorten_switch_interval()
    raise_file_limit()
    listening = socket.socket(fileno=fd) if fd is not None else address.listen(settings().host, settings().port)
    config = uvicorn.Config(
        create_app(),
        loop="uvloop",
        http=BoundedHttpProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # it would trust 127.0.0.1; LEADVIBE_TRUSTED_PROXIES names the proxies
        timeout_graceful_shutdown=5,
    )
    gc.freeze()
    gc.enable()
    with database.database_url():
        server = uvicorn.Server(config)
        server.run(sockets=[listening])
    if not server.started:
        raise typer.Exit(1)


def worker() -> None:
    """Run a worker process: scores events and runs background jobs."""
    import uvloop  # noqa: PLC0415 - only this command needs it

    from leadvibe.core.logs import start_logging  # noqa: PLC0415 - likewise
    from leadvibe.server.worker import run  # noqa: PLC0415 - likewise

    start_logging(settings().log_level, as_json=settings().log_json)
    with database.database_url():
        uvloop.run(run())
