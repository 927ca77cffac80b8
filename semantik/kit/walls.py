"""Whose rows a session sees on PostgreSQL: the role it takes on, and the tenant it names for its transaction.

Row-level security compares the two (`migrations/walls.py` raises the policies). SQLite has nothing of the kind.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncSession

# The role that sessions on PostgreSQL take on: it owns no table and bypasses no policy (`migrations/walls.py` makes it).
APP_ROLE = "semantik_app"
# What a policy compares a row's tenant with, for the length of a transaction; this value means every tenant.
TENANT_VARIABLE = "semantik.tenant"
EVERY_TENANT = "*"
# Where a session keeps whose rows it may see.
TENANT = "tenant"

# Whose rows a session may see: a tenant, what tells it once the first statement comes, or None for every tenant's.
Tenant = str | Callable[[], str | None] | None


class WalledSession(orm.Session):
    """Tells PostgreSQL with each transaction whose rows it is about."""


@sa.event.listens_for(WalledSession, "after_begin")
def _name_the_tenant(session: orm.Session, _: object, connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        tenant: Tenant = session.info.get(TENANT)
        value = tenant() if callable(tenant) else tenant
        _see(connection, EVERY_TENANT if value is None else value)


def _see(connection: sa.Connection, tenant: str) -> None:
    # Once in every transaction: in the driver's words, for building the statement would cost as much as running it.
    connection.exec_driver_sql("SELECT set_config(%s, %s, true)", (TENANT_VARIABLE, tenant))


async def see_every_tenant(session: AsyncSession) -> None:
    """Lifts the wall for the rest of the transaction: for the few questions of a tenant's job that are about all of them."""
    connection = await session.connection()
    if connection.dialect.name == "postgresql":
        await connection.run_sync(_see, EVERY_TENANT)
