"""The migrations make the very schema that the tables describe, and every step can be taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import make_url

from semantik import migrations, tables
from semantik.kit.database import UtcDateTime


def difference(url: str) -> list[Any]:
    """What the tables have and the database lacks, or the other way round. Constraints and comments of SQLite are not read back."""
    parsed = make_url(url)
    engine = sa.create_engine(parsed if parsed.get_backend_name() == "sqlite" else parsed.set(drivername="postgresql+psycopg"))

    def same_type(_: Any, __: Any, ___: Any, found: Any, wanted: Any) -> bool | None:
        return False if isinstance(wanted, UtcDateTime) else None

    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": same_type})
            return [one for one in compare_metadata(context, tables.base.metadata) if "alembic_version" not in str(one)]
    finally:
        engine.dispose()


def test_the_migrations_make_what_the_tables_say(database_url: str) -> None:
    assert difference(database_url) == []


def test_every_step_can_be_taken_back_and_done_again(database_url: str) -> None:
    steps = sorted(path.name[:4] for path in (Path(migrations.__file__).parent / "versions").glob("0*.py"))
    for revision in reversed(["base", *steps[:-1]]):
        migrations.downgrade(database_url, revision)
    assert migrations.current(database_url) is None
    for revision in steps:
        migrations.upgrade(database_url, revision)
    assert difference(database_url) == []
