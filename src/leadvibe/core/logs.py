"""Logging: JSON lines, or colored lines on a terminal, without secrets."""

import logging
import sys
from io import StringIO
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from leadvibe.core.printable import printable

SECRETS = frozenset(
    {"password", "secret", "client_secret", "token", "access_token", "refresh_token", "authorization", "cookie", "key"}
)

# Without local variables, which may hold passwords.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name in SECRETS & event.keys():
        event[name] = "[hidden]"
    return event


def escape_control_characters(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """For a terminal, which would obey them. In JSON they are escaped anyway."""
    return {name: printable(value) if isinstance(value, str) else value for name, value in event.items()}


def _write_traceback(output: TextIO, error: ExcInfo) -> None:
    text = StringIO()
    structlog.dev.plain_traceback(text, error)
    output.write(printable(text.getvalue(), lines=True))


def summary(error: BaseException) -> str:
    """The error in one line, without the SQL statement that SQLAlchemy appends."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def start_logging(level: str = "INFO", *, as_json: bool | None = None) -> None:
    """Send the log lines of the program and its libraries (uvicorn included) to standard error in one format."""
    as_json = not sys.stderr.isatty() if as_json is None else as_json
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_renderers(as_json)))
    logging.root.handlers = [handler]
    logging.root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers, library.propagate = [], True
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)  # the middleware logs every request with its id
    for library_name in ("alembic.runtime.plugins", "httpx", "pgqueuer"):
        logging.getLogger(library_name).setLevel(logging.WARNING)


def _renderers(as_json: bool) -> list[Any]:
    if as_json:
        return [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _TRACEBACKS,
            structlog.processors.JSONRenderer(),
        ]
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        escape_control_characters,
        structlog.dev.ConsoleRenderer(exception_formatter=_write_traceback),
    ]
