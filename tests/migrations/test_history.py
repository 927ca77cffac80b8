"""The schema's history on both databases: it ends where the tables say, and every step goes up and down with data in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from semantik import migrations
from semantik.tables.base import metadata

_PARTITION = re.compile(r"chunks_\d\d")


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    made = sa.create_engine(database_url)
    yield made
    made.dispose()


def revisions() -> list[str]:
    return [script.revision for script in ScriptDirectory.from_config(migrations._config()).walk_revisions()]


def a_row(table: sa.Table) -> dict[str, Any]:
    """One value in every column, the same key in every table, within what the checks allow."""
    allowed: dict[str, str] = {}
    for check in table.constraints:
        if isinstance(check, sa.CheckConstraint) and (found := re.match(r"(\w+) IN \('(\w+)'", str(check.sqltext))):
            allowed[found[1]] = found[2]
    values = {column.name: _value(column) for column in table.columns} | allowed
    if table.name == "jobs":
        values |= {"status": "queued", "lease_owner": None, "lease_expires_at": None, "finished_at": None}
    if table.name == "documents":
        values["parent_id"] = None
    return values


def _value(column: sa.Column[Any]) -> Any:
    match column.type:
        case sa.Boolean():
            return True
        case sa.Integer():
            return 7
        case sa.Float():
            return 0.5
        case sa.LargeBinary():
            return b"\x00\xff"
        case sa.JSON():
            return {"é": ["東京", 1.5, None, True]}
        case sa.String():
            return "Zürich ﷽"[: column.type.length]
        case _:
            return datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)


def contents(engine: sa.Engine, columns: dict[str, list[str]]) -> dict[str, list[tuple[Any, ...]]]:
    found = {}
    with engine.connect() as connection:
        for table, names in columns.items():
            chosen = ", ".join(f'"{name}"' for name in names)
            found[table] = [tuple(row) for row in connection.execute(sa.text(f'SELECT {chosen} FROM "{table}"'))]
    return found


def columns(engine: sa.Engine) -> dict[str, list[str]]:
    inspector = sa.inspect(engine)
    tables = [name for name in inspector.get_table_names() if name != "alembic_version" and not _PARTITION.fullmatch(name)]
    return {name: sorted(column["name"] for column in inspector.get_columns(name)) for name in tables}


def test_the_history_ends_where_the_tables_say(engine: sa.Engine) -> None:
    def is_ours(name: str | None, kind: str, _: Any) -> bool:
        return kind != "table" or _PARTITION.fullmatch(str(name)) is None

    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"include_name": is_ours}), metadata) == []


def test_every_step_goes_down_and_up_again_and_keeps_every_row(engine: sa.Engine, database_url: str) -> None:
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.insert().values(**a_row(table)))
    at_head = columns(engine)
    assert all(len(rows) == 1 for rows in contents(engine, at_head).values())
    for revision in revisions()[1:]:
        migrations.downgrade(database_url, revision)
        assert migrations.current(database_url) == revision
    # A step may drop a column, down or up; what both ends have is there at both ends, unchanged.
    now_there = columns(engine)
    common = {table: [name for name in names if name in at_head[table]] for table, names in now_there.items() if table in at_head}
    before = contents(engine, common)
    for revision in reversed(revisions()[:-1]):
        migrations.upgrade(database_url, revision)
    assert contents(engine, common) == before
    assert migrations.current(database_url) == migrations.head()


def test_the_whole_history_can_be_undone(engine: sa.Engine, database_url: str) -> None:
    migrations.downgrade(database_url, "base")
    assert columns(engine) == {}
    migrations.upgrade(database_url)
    assert set(columns(engine)) == {table.name for table in metadata.sorted_tables}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_question_to_a_collection_reads_one_partition(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        plan = connection.execute(sa.text("EXPLAIN SELECT id FROM chunks WHERE collection_id = 'c' AND generation = 1 AND id > ''"))
        partitions = {found[0] for row in plan for found in re.finditer(r"\bchunks_\d\d\b", row[0])}
    assert len(partitions) == 1
