"""The metadata that every table joins, and the column shapes they share."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from semantik.kit.database import UtcDateTime

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Json = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
Timestamp = UtcDateTime
# One rowid alias on SQLite, a bigint on PostgreSQL.
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def identifier(name: str = "id") -> sa.Column[str]:
    return sa.Column(name, sa.String(36), primary_key=True)


def tenant() -> sa.Column[str]:
    return sa.Column("tenant_id", sa.ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False)


def one_of(name: str, *values: str) -> sa.CheckConstraint:
    """A check that the column of this name holds one of the values."""
    return sa.CheckConstraint(f"{name} IN ({', '.join(repr(value) for value in values)})", name=f"{name}_known")
