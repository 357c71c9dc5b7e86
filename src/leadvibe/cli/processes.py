"""`leadvibe api` and `leadvibe worker`: run a single process of the server."""

import gc
import signal
import socket
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from leadvibe.config import settings
from leadvibe.core import shutdown
from leadvibe.server import address, database


def api(fd: Annotated[int | None, typer.Option(hidden=True, help="A listening socket to inherit.")] = None) -> None:
    """Run an API process."""
    gc.disable()  # imported modules are never garbage: collecting during the imports takes a fifth of the start
    from leadvibe.core.interpreter_tuning import raise_file_limit, shorten_switch_interval  # noqa: PLC0415
    from leadvibe.core.logs import start_logging  # noqa: PLC0415 - likewise
    from leadvibe.server.app import create_app  # noqa: PLC0415 - likewise
    from leadvibe.server.http_server import HttpServer  # noqa: PLC0415 - likewise

    start_logging(settings().log_level, as_json=settings().log_json)
    shorten_switch_interval()
    raise_file_limit()
    listening = socket.socket(fileno=fd) if fd is not None else address.listen(settings().host, settings().port)
    app = create_app()
    gc.freeze()
    gc.enable()
    with database.database_url():
        server = HttpServer(app)
        signal.signal(signal.SIGTERM, _exit)  # uvicorn raises the signal again when it has ended
        server.run(sockets=[listening])
    if not server.started:
        raise typer.Exit(1)


def worker() -> None:
    """Run a worker process: scores events and runs background jobs."""
    import uvloop  # noqa: PLC0415

    from leadvibe.core.logs import start_logging  # noqa: PLC0415 - likewise
    from leadvibe.server.worker import run  # noqa: PLC0415 - likewise

    start_logging(settings().log_level, as_json=settings().log_json)
    with database.database_url():
        signal.signal(signal.SIGTERM, _exit)
        uvloop.run(run())


def _exit(_signal: int, _frame: FrameType | None) -> NoReturn:
    """End the process in order, before and after the event loop runs: an embedded PostgreSQL is stopped, too."""
    shutdown.start(settings().shutdown_timeout.total_seconds())
    sys.exit(0)
