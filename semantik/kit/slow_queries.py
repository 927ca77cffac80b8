"""Names statements that took long: the log says which function of ours asked, never what it asked for."""

from __future__ import annotations

import time
from types import FrameType
from typing import Any

import sqlalchemy as sa
from greenlet import getcurrent
from sqlalchemy.ext.asyncio import AsyncEngine

from semantik.kit import logs, metrics

log = logs.get(__name__)

_OURS = "semantik."
# Between a statement and the function that meant it.
_BETWEEN = ("semantik.kit.",)


def watch(engine: AsyncEngine, *, at_least_s: float) -> None:
    """Logs and counts every statement of the engine that took `at_least_s` or longer, its wait for locks included."""

    @sa.event.listens_for(engine.sync_engine, "before_cursor_execute")
    def began(connection: sa.Connection, *_: Any) -> None:
        connection.info["began_at"] = time.perf_counter()

    @sa.event.listens_for(engine.sync_engine, "after_cursor_execute")
    def ended(connection: sa.Connection, *_: Any) -> None:
        took_s = time.perf_counter() - connection.info["began_at"]
        if took_s >= at_least_s:
            name = _asked_by()
            metrics.DATABASE_SLOW_QUERIES.labels(query=name).inc()
            log.warning("slow query", query=name, seconds=round(took_s, 3))


def _asked_by() -> str:
    """`features.search.repository.hydrate`: the innermost function of ours on the way here.

    SQLAlchemy runs the driver in a greenlet of its own; the coroutines that await it stand on the stack of its parent.
    """
    greenlet = getcurrent()
    frame: FrameType | None = greenlet.parent.gr_frame if greenlet.parent is not None else None
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(_OURS) and not module.startswith(_BETWEEN):
            return f"{module.removeprefix(_OURS)}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "unknown"
