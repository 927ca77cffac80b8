"""The one statement that asks whether the database answers."""

from __future__ import annotations

import sqlalchemy as sa

from semantik.kit.database import AsyncSession


async def ping(session: AsyncSession) -> None:
    await session.execute(sa.select(sa.literal(1)))
