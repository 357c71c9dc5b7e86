"""Log lines: JSON for machines, colours for a terminal, never a secret."""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

SECRETS = frozenset(
    {"password", "secret", "client_secret", "token", "access_token", "refresh_token", "authorization", "cookie", "key"}
)

# The local variables of a failed call may hold anything, passwords included.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name in SECRETS & event.keys():
        event[name] = "[hidden]"
    return event


def summary(error: BaseException) -> str:
    """What went wrong in one line, without the statement that SQLAlchemy quotes."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def start_logging(level: str = "INFO", *, as_json: bool | None = None) -> None:
    """Send the program's log lines and its libraries' (uvicorn's included) to standard error in one form."""
    machine = not sys.stderr.isatty() if as_json is None else as_json
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
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_form(machine)))
    logging.root.handlers = [handler]
    logging.root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers, library.propagate = [], True
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)  # the requests are logged once, with their id
    for chatty in ("alembic.runtime.plugins", "httpx", "pgqueuer"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _form(machine: bool) -> list[Any]:
    if machine:
        return [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _TRACEBACKS,
            structlog.processors.JSONRenderer(),
        ]
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
