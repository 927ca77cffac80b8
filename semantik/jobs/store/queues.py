"""Pause and limits of queues and of kinds, for all tenants."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from semantik.kit.database import AsyncSession, upsert
from semantik.tables.jobs import kind_limits, queues


async def settings(session: AsyncSession) -> dict[str, Any]:
    return {row.queue: row for row in await session.execute(sa.select(queues))}


async def limits_of_kinds(session: AsyncSession) -> dict[str, Any]:
    return {row.kind: row for row in await session.execute(sa.select(kind_limits))}


async def change(session: AsyncSession, queue: str, values: dict[str, Any]) -> None:
    """Changes pause and limits of a queue, for all tenants."""
    row = (await session.execute(sa.select(queues).where(queues.c.queue == queue))).mappings().first()
    known = {"paused_at": None, "max_running": None, "max_per_tenant": None, **(dict(row) if row is not None else {}), "queue": queue}
    await upsert(session, queues, [{**known, **values}], keys=["queue"])


async def change_kind(session: AsyncSession, kind: str, values: dict[str, Any]) -> None:
    """Changes the limits of a kind, for all tenants."""
    row = (await session.execute(sa.select(kind_limits).where(kind_limits.c.kind == kind))).mappings().first()
    known = {"max_running": None, "max_per_tenant": None, **(dict(row) if row is not None else {}), "kind": kind}
    await upsert(session, kind_limits, [{**known, **values}], keys=["kind"])
