"""How far this database is filled from another one, and whether it may be used."""

from __future__ import annotations

import sqlalchemy as sa

from semantik.tables.base import Json, Timestamp, metadata, one_of

# One row, id 'move', in a database that was filled by `semantik migrate`; what it is about lies in `rows/moves.py`.
moves = sa.Table(
    "moves",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("source", sa.String(64), nullable=False, comment="fingerprint of where the rows come from"),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("progress", Json, nullable=False, comment="{step: {after, done, ended}}"),
    sa.Column("differences", Json, nullable=False, comment="what a failed verification found"),
    sa.Column("started_at", Timestamp, nullable=False),
    sa.Column("updated_at", Timestamp, nullable=False),
    one_of("state", "filling", "differs", "proved", "used"),
)
