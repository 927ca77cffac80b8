"""Keeps every stored file in place while a backup reads them: a row with a time, which the backup renews while it lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from semantik.features.archives import repository
from semantik.kit.concurrency import end
from semantik.kit.database import Database
from semantik.kit.errors import Conflict
from semantik.kit.ids import new_id

_HOLD_S, _RENEW_S = 600.0, 60.0


class HoldLost(Conflict):
    code = "backup_hold_lost"
    title = "Files may have been removed while the backup was taken"


@asynccontextmanager
async def held(database: Database) -> AsyncIterator[None]:
    """Stored files stay while the block lasts. Raises `HoldLost` at its end when they may not have."""
    hold_id, lost = new_id(), False
    async with database.write() as session:
        await repository.hold_files(session, hold_id, seconds=_HOLD_S)
        await session.commit()

    async def renew() -> None:
        nonlocal lost
        while not lost:
            await asyncio.sleep(_RENEW_S)
            lost = not await _renewed(database, hold_id)

    renewing = asyncio.create_task(renew(), name="backup-hold")
    try:
        yield
        if lost or not await _renewed(database, hold_id):
            raise HoldLost("the backup stood still for so long that its hold on stored files ran out", hint="Take it again.")
    finally:
        await end(renewing)
        async with database.write() as session:
            await repository.drop_holds(session, hold_id)
            await session.commit()


async def _renewed(database: Database, hold_id: str) -> bool:
    async with database.write() as session:
        renewed = await repository.renew_hold(session, hold_id, seconds=_HOLD_S)
        await session.commit()
    return renewed
