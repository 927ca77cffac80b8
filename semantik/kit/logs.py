"""Structured logs: JSON for machines, readable in a terminal, always on stderr; fields, never document text."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars, get_contextvars

__all__ = ["bind_contextvars", "bound_contextvars", "clear_contextvars", "configure", "get", "get_contextvars"]


def configure(level: str = "info", log_format: str = "auto") -> None:
    """Sets up structlog and routes the standard library's loggers (uvicorn, alembic) through it."""
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Both defaults would print every frame's local variables: document texts, queries and keys.
    if as_json:
        frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        final: list[Any] = [structlog.processors.ExceptionRenderer(frames), structlog.processors.JSONRenderer()]
    else:
        final = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in (
        "uvicorn.access",
        "httpx",
        "httpx2",
        "httpcore",
        "aiosqlite",
        "celery.worker.strategy",
        "celery.app.trace",
        "alembic.runtime",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_worth_a_line)


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Drops two kinds of uvicorn's (0.54) lines: its access lines for sockets, which carry the query string and so a token
    that a client wrongly put there, and its calling each refused handshake an error of the app.
    """
    return "WebSocket %s" not in str(record.msg) and record.msg != "ASGI callable returned without completing handshake."


def get(name: str) -> Any:
    """A logger bound to the module's name: `log = logs.get(__name__)`."""
    return structlog.stdlib.get_logger(name)
