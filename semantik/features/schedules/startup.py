"""The schedules that every tenant has from the start."""

from __future__ import annotations

from collections.abc import Sequence

from semantik.jobs.schedule import Default, ensure_defaults
from semantik.kit.database import Database
from semantik.kit.ids import TenantId


async def add_schedules(database: Database, tenant_id: TenantId, defaults: Sequence[Default]) -> None:
    """Adds those the tenant lacks; what a person changed or paused stays as it is."""
    async with database.write() as session:
        await ensure_defaults(session, tenant_id, defaults)
        await session.commit()
