"""Alembic's entry: runs the migrations on the connection that `semantik.migrations` opened."""

from __future__ import annotations

from alembic import context

import semantik.tables  # noqa: F401 - registers every table
from semantik.tables.base import metadata


def run() -> None:
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        transaction_per_migration=True,
        user_module_prefix="kit.",
    )
    with context.begin_transaction():
        context.run_migrations()


run()
