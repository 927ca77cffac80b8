"""The second wall behind `auth/access`: row-level security on every table of tenants (PostgreSQL only).

Sessions act as a role that owns no table and may not bypass policies, and name the tenant they are about in a variable of
the transaction (`kit/walls.py`). A statement that forgot its filter then sees nothing of others. Raised anew after each
upgrade: it covers whatever tables there are by then, and a dump restored into another cluster, where the role is missing.
"""

from __future__ import annotations

import sqlalchemy as sa

from semantik.kit.errors import Misconfigured
from semantik.kit.walls import APP_ROLE, EVERY_TENANT, TENANT_VARIABLE
from semantik.tables.base import metadata

_POLICY = "of_the_tenant"


class RoleMissing(Misconfigured):
    code = "database_role_missing"
    title = "The database lacks the role that Semantik acts as"


def walled() -> dict[str, str]:
    """Every table of tenants, with the column that names whose row it is."""
    found = {table.name: "tenant_id" for table in metadata.sorted_tables if "tenant_id" in table.columns}
    return found | {"tenants": "id"}


def raise_walls(connection: sa.Connection) -> None:
    """Makes role, grants and policies where they are missing. Raises `RoleMissing` when this user may not make the role."""
    _make_role(connection)
    schema = connection.scalar(sa.text("SELECT quote_ident(current_schema())"))
    connection.execute(sa.text(f"GRANT USAGE ON SCHEMA {schema} TO {APP_ROLE}"))
    # Table by table: a partition that is read past its parent has no policy of its own.
    tables = ", ".join(table.name for table in metadata.sorted_tables)
    connection.execute(sa.text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {APP_ROLE}"))
    connection.execute(sa.text(f"GRANT SELECT ON alembic_version TO {APP_ROLE}"))
    standing = set(connection.scalars(sa.text("SELECT tablename FROM pg_policies WHERE policyname = :name"), {"name": _POLICY}))
    for table, column in walled().items():
        if table in standing:
            continue
        # Written as one list: the planner reads the variable once for a statement, not once for a row.
        rule = f"(SELECT current_setting('{TENANT_VARIABLE}', true)) IN ('{EVERY_TENANT}', {column})"
        connection.execute(sa.text(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"))
        connection.execute(sa.text(f"CREATE POLICY {_POLICY} ON {table} TO {APP_ROLE} USING ({rule}) WITH CHECK ({rule})"))


def _make_role(connection: sa.Connection) -> None:
    exists = sa.text("SELECT pg_has_role(current_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = :role")
    may_act = connection.scalar(exists, {"role": APP_ROLE})
    if may_act:
        return
    wanted = f"GRANT {APP_ROLE} TO CURRENT_USER"
    try:
        with connection.begin_nested():
            if may_act is None:
                connection.execute(sa.text(f"CREATE ROLE {APP_ROLE} NOLOGIN"))
            connection.execute(sa.text(wanted))
    except sa.exc.ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != "42501":
            raise
        user = connection.scalar(sa.text("SELECT current_user"))
        raise RoleMissing(
            f"the database user {user} may not make the role {APP_ROLE}",
            hint=f"Have an administrator of PostgreSQL run: CREATE ROLE {APP_ROLE} NOLOGIN; GRANT {APP_ROLE} TO {user};",
        ) from error
