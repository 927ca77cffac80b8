"""COPY on PostgreSQL, for which SQLAlchemy has no word: its command, values as the columns' types bind them, errors as elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError


class Copy:
    """Rows on their way into `target`, in the transaction that is under way. The caller gives what follows to the driver's own cursor."""

    def __init__(self, target: str, columns: Sequence[sa.Column[Any]], dialect: sa.Dialect) -> None:
        """`target`: as SQL writes the table's name."""
        names = ", ".join(dialect.identifier_preparer.format_column(column) for column in columns)
        self.command = f"COPY {target} ({names}) FROM STDIN"
        self._binds = [column.type.dialect_impl(dialect).bind_processor(dialect) for column in columns]
        self._dialect = dialect

    def bound(self, row: Iterable[Any]) -> tuple[Any, ...]:
        """Values in the order of the columns, as the driver takes them."""
        return tuple(bind(value) if bind else value for value, bind in zip(row, self._binds, strict=True))

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raises what the driver says as SQLAlchemy would."""
        vendor: Any = self._dialect.loaded_dbapi
        try:
            yield
        except vendor.Error as error:
            raise DBAPIError.instance(self.command, None, error, vendor.Error, hide_parameters=True, dialect=self._dialect) from error
