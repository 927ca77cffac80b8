"""The schema's history: brings a database to the revision this version of Semantik was written for."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url

from semantik.kit.database_errors import in_our_words
from semantik.kit.errors import Misconfigured
from semantik.migrations.walls import raise_walls

_LOCK = 7302519


class SchemaOlder(Misconfigured):
    code = "schema_older"
    title = "The database has an older schema"


class SchemaNewer(Misconfigured):
    code = "schema_newer"
    title = "The database has a newer schema"


def head() -> str:
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None, "the package ships its migrations"
    return revision


def current(url: str) -> str | None:
    """The revision the database stands at; None for an empty one."""
    engine = _engine(url)
    try:
        with in_our_words(), engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def require_known(url: str) -> str | None:
    """Returns the database's revision. Raises `SchemaNewer` for one this version does not know; touches nothing."""
    revision = current(url)
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaNewer(
            f"the database stands at revision {revision}, which this version of Semantik does not know",
            hint="Run the newer version of Semantik that wrote it, or restore an older backup.",
        )
    return revision


def require_head(url: str) -> None:
    """Raises `SchemaOlder` or `SchemaNewer` unless the database stands at the revision of this version."""
    revision = require_known(url)
    if revision != head():
        raise SchemaOlder(f"the database stands at revision {revision}, this version needs {head()}", hint="Run: semantik migrate-schema")


def upgrade(url: str, revision: str = "head") -> None:
    """Applies what is missing, each step in a transaction; safe when many processes start at once."""
    require_known(url)
    _run(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str) -> None:
    _run(url, lambda config: command.downgrade(config, revision))


def _run(url: str, action: object) -> None:
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
                connection.commit()
            config = _config()
            config.attributes["connection"] = connection
            assert callable(action)
            action(config)
            if connection.dialect.name == "postgresql":
                if MigrationContext.configure(connection).get_current_revision() == head():
                    raise_walls(connection)
                connection.commit()
                connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()
    finally:
        engine.dispose()


def _engine(url: str) -> sa.Engine:
    parsed = make_url(url)
    return sa.create_engine(parsed if parsed.get_backend_name() == "sqlite" else parsed.set(drivername="postgresql+psycopg"))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
