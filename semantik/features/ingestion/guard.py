"""Keeps the index a true projection of SQL: a check at start, a rebuild whenever it reports damage; and has it optimised in time."""

from __future__ import annotations

import asyncio

from semantik.auth.actor import system
from semantik.engines.vectors.base import IndexDamaged, IndexUnavailable, Space, VectorStore
from semantik.features.ingestion import repository
from semantik.features.ingestion.job_args import RebuildIndex
from semantik.jobs.queue import enqueue
from semantik.kit import logs, metrics
from semantik.kit.concurrency import Loops, end
from semantik.kit.database import Database
from semantik.kit.errors import Unavailable
from semantik.kit.ids import TenantId

log = logs.get(__name__)

# Whether a space has grown enough is cheap to ask, and a large one without its graph answers in three times the time.
_TEND_EVERY_S = 30.0
_AGAIN_S = 5.0


class IndexGuard:
    """One a process that owns the index. Surplus points do no harm, no search shows them; missing ones are rebuilt."""

    def __init__(self, database: Database, vectors: VectorStore, loops: Loops, *, tend_every_s: float = _TEND_EVERY_S) -> None:
        self._database = database
        self._vectors = vectors
        self._loops = loops
        self._tend_every_s = tend_every_s
        self._reports: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Checks every space against SQL before anything is served, then listens for reports and looks after its growth."""
        self._vectors.on_damage = lambda space, reason: self._reports.put_nowait((space, reason))
        await self._check()
        self._tasks = [self._loops.start("index-guard", self._listen()), self._loops.start("index-tender", self._tend())]

    async def stop(self) -> None:
        self._vectors.on_damage = None
        await end(*self._tasks)

    async def _listen(self) -> None:
        while True:
            space, reason = await self._reports.get()
            try:
                await self._vectors.ensure(Space.of_key(space))
                await self._rebuild(space, "damaged")
            except Unavailable as error:
                log.warning("a damaged index is not rebuilt yet; trying again", space=space, error=error.detail)
                self._reports.put_nowait((space, reason))
                await asyncio.sleep(_AGAIN_S)

    async def _tend(self) -> None:
        """Large spaces get their graph while searches and writes go on; the store itself says when one is worth it."""
        while True:
            await asyncio.sleep(self._tend_every_s)
            try:
                async with self._database.read() as session:
                    spaces = await repository.spaces_with_points(session)
                for key, dimensions, _ in spaces:
                    if await self._vectors.optimize(Space(key=key, dimensions=dimensions)):
                        log.info("index optimised", space=key)
            except Unavailable as error:
                # A damaged index is being rebuilt, or the disk has no room for the copy: the next look may find it otherwise.
                log.warning("index not optimised", error=error.detail)

    async def _check(self) -> None:
        async with self._database.read() as session:
            spaces = await repository.spaces_with_points(session)
        for key, dimensions, noted in spaces:
            async with self._database.read() as session:
                expected = sum(count for _, count in await repository.tenants_with_points(session, key))
            reason = noted or await self._lack(Space(key=key, dimensions=dimensions), expected)
            if reason is not None:
                await self._rebuild(key, reason)

    async def _lack(self, space: Space, expected: int) -> str | None:
        try:
            await self._vectors.ensure(space)
            present = await self._vectors.count(space)
        except IndexDamaged:
            # Set aside by now. A fresh one answers, with a note that it is being filled, until the rebuild is done.
            await self._vectors.ensure(space)
            return "damaged"
        except IndexUnavailable:
            log.warning("index does not answer at start", space=space.key)
            return None
        return "points_missing" if present < expected else None

    async def _rebuild(self, space: str, reason: str) -> None:
        async with self._database.read() as session:
            tenants = await repository.tenants_with_points(session, space)
        metrics.VECTOR_REBUILDS.labels(reason=reason).inc()
        log.warning("index rebuild due", space=space, reason=reason, points=sum(count for _, count in tenants))
        async with self._database.write() as session:
            await repository.set_rebuild_reason(session, space, reason if tenants else None)
            for tenant_id, count in tenants:
                await enqueue(
                    session,
                    RebuildIndex(space=space, reason=reason),
                    actor=system(TenantId(tenant_id)),
                    title="Rebuild the search index",
                    priority=1,
                    dedup_key=space,
                    total=count,
                )
            await session.commit()
