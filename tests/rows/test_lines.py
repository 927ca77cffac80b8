"""Lines of an archive that somebody made up: refused by their column, whatever Python could make of them."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from semantik.kit.archive import ArchiveDamaged
from semantik.rows import lines
from semantik.tables.documents import documents
from semantik.tables.jobs import jobs


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        (jobs, "active_seconds", "1e999"),
        (jobs, "active_seconds", "1" + "0" * 400),
        (jobs, "active_seconds", "NaN"),
        (jobs, "active_seconds", "true"),
        (documents, "metadata", '{"a": [-1e999]}'),
        (documents, "metadata", '{"a": ' * 100_000),
        (documents, "modified_at", '"0001-01-01T00:00:00+14:00"'),
        (documents, "modified_at", '"9999-12-31T23:59:59-14:00"'),
        (documents, "modified_at", '"2026-01-01T00:00:00"'),
        (documents, "pages", "9" * 5_000),
        (documents, "sealed_password", '"not base64"'),
        (documents, "title", '"\\udc00"'),
    ],
)
def test_a_value_that_its_column_cannot_hold_is_refused(table: sa.Table, column: str, value: str) -> None:
    with pytest.raises(ArchiveDamaged):
        lines.read(table, f"{json.dumps([column])}\n[{value}]\n".encode())
