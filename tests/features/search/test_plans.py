"""What a search costs in SQL does not depend on how much a tenant has: SQLite must find the rows by their ids."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from semantik.auth.actor import Actor
from semantik.features.ingestion import repository as ingestion
from semantik.features.search import repository
from semantik.kit.database import Database
from semantik.kit.ids import new_id

_IDS = [new_id() for _ in range(200)]


@pytest.fixture
def plans(database: Database) -> list[str]:
    """Steps of the plan of every statement that reads or writes rows, as SQLite tells them."""
    if database.dialect != "sqlite":
        pytest.skip("PostgreSQL keeps statistics of its own")
    steps: list[str] = []

    def explain(connection: sa.Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if not statement.startswith(("BEGIN", "EXPLAIN", "INSERT")):
            steps.extend(str(row[3]) for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters))

    for engine in (database.engine, database._near, database._writer):
        sa.event.listen(engine.sync_engine, "before_cursor_execute", explain)
    return steps


@pytest.mark.parametrize("collections", [1, 100])
async def test_hits_are_read_by_their_ids(database: Database, actor: Actor, plans: list[str], collections: int) -> None:
    within = [new_id() for _ in range(collections)]
    async with database.lookup() as session:
        await repository.documents_of(session, actor, within, _IDS)
        await repository.passages(session, actor, within, _IDS[:10])
    found = [step for step in plans if "chunks" in step]
    assert len(found) == 2 and all(step.startswith("SEARCH") and " id=?" in step.replace("(", " ") for step in found), plans
    # What is scanned is the list of ids alone.
    assert {step for step in plans if step.startswith("SCAN")} == {"SCAN wanted VIRTUAL TABLE INDEX 1:"}, plans


async def test_documents_are_removed_by_their_ids(database: Database, actor: Actor, plans: list[str]) -> None:
    async with database.write() as session:
        await ingestion.remove_documents(session, actor, _IDS, "space")
    wide = [step for step in plans if "(tenant_id=?" in step or step.startswith("SCAN")]
    assert plans and not wide, plans
