"""The database's clock as an SQL expression, in both dialects."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from semantik.kit.database import UtcDateTime


class _DatabaseTime(FunctionElement[datetime]):
    """Now plus a number of seconds, as the database sees it at the moment the statement runs."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(_DatabaseTime, "sqlite")
def _on_sqlite(element: _DatabaseTime, compiler: Any, **options: Any) -> str:
    # Six digits of a second, as UtcDateTime writes them: times are compared as text.
    return f"(strftime('%Y-%m-%dT%H:%M:%f', 'now', {compiler.process(element.clauses, **options)} || ' seconds') || '000')"


@compiles(_DatabaseTime)
def _on_postgresql(element: _DatabaseTime, compiler: Any, **options: Any) -> str:
    return f"(clock_timestamp() + make_interval(secs => {compiler.process(element.clauses, **options)}))"


def db_time(seconds: float | sa.BindParameter[float] = 0.0) -> sa.ColumnElement[datetime]:
    """`db_time()` is now; `db_time(30)` half a minute later."""
    return _DatabaseTime(seconds if isinstance(seconds, sa.BindParameter) else sa.literal(float(seconds), sa.Float))
