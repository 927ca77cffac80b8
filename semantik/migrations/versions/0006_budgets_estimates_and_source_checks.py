"""Jobs carry a budget, an estimate and what they used up; sources are checked by themselves; measured speeds are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from semantik.kit.database import UtcDateTime

Json = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("budget", Json, nullable=True, comment="{meter: most}"))
    op.add_column("jobs", sa.Column("spent", Json, nullable=True, comment="{meter: amount}, of meters that are not columns"))
    op.add_column("jobs", sa.Column("estimate", Json, nullable=True, comment="{meter: [low, likely, high]}, made before or at the start"))
    waits = sa.Column("waits", sa.Integer(), server_default="0", nullable=False, comment="put off in a row for want of memory or disk")
    op.add_column("jobs", waits)
    op.add_column("sources", sa.Column("budget", Json, nullable=True, comment="of each sync: {meter: most}"))
    every = "how often it is looked at for changes; null: never by itself"
    op.add_column("sources", sa.Column("check_every_s", sa.Integer(), nullable=True, comment=every))
    op.add_column("sources", sa.Column("checked_at", UtcDateTime(), nullable=True))
    note = "why the last look came to nothing, where it did"
    op.add_column("sources", sa.Column("check_note", sa.Text(), nullable=True, comment=note))
    # Folders of before are checked like new ones.
    op.execute("UPDATE sources SET check_every_s = 300 WHERE kind <> 'upload'")
    op.create_table(
        "speeds",
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("measured_at", UtcDateTime(), nullable=False),
        sa.Column("per_s", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "measured_at", name=op.f("pk_speeds")),
    )


def downgrade() -> None:
    op.drop_table("speeds")
    for table, names in (
        ("sources", ("check_note", "checked_at", "check_every_s", "budget")),
        ("jobs", ("waits", "estimate", "spent", "budget")),
    ):
        for name in names:
            op.drop_column(table, name)
