"""Where the job benchmarks run: fresh databases of both kinds, a runtime with nothing but what jobs need, and kinds that do nothing."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, cast

import sqlalchemy as sa

from semantik import migrations
from semantik.auth.actor import Actor, Scope
from semantik.engines.events.base import EventBus
from semantik.engines.events.memory import MemoryEvents
from semantik.jobs.context import JobContext
from semantik.jobs.handlers import handles
from semantik.jobs.values import Item, JobArgs
from semantik.kit.clock import now
from semantik.kit.database import Database, open_database
from semantik.kit.ids import TenantId, UserId, new_id
from semantik.kit.settings import Settings
from semantik.runtime import Runtime
from semantik.tables.accounts import members, tenants, users
from semantik.tables.jobs import jobs
from tests import services

DIALECTS = ("SQLite", "PostgreSQL")


class Nothing(JobArgs):
    """Its result says when it began, by the machine's clock."""

    kind: ClassVar[str] = "bench_nothing"


@handles(Nothing)
async def nothing(ctx: JobContext, args: Nothing) -> dict[str, Any]:
    return {"at": time.time()}


class Items(JobArgs):
    kind: ClassVar[str] = "bench_items"
    items: int = 10
    pace_s: float = 0.0


@handles(Items)
class ItemsJob:
    async def total(self, ctx: JobContext, args: Items) -> int:
        return args.items

    async def items(self, ctx: JobContext, args: Items, cursor: Any) -> AsyncIterator[Item]:
        for number in range(cursor or 0, args.items):
            yield Item(str(number), number, number + 1)

    async def process(self, ctx: JobContext, args: Items, item: Item) -> None:
        if args.pace_s:
            await asyncio.sleep(args.pace_s)


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """The URLs of a fresh, migrated database of each kind. PostgreSQL keeps its promises here: fsync and synchronous commit are on."""
    folder = Path(tempfile.mkdtemp(prefix="semantik-bench-"))
    try:
        with services.postgres(durable=True, buffers="512MB") as server:
            engine = sa.create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
            with engine.connect() as connection:
                connection.execute(sa.text("CREATE DATABASE bench"))
            engine.dispose()
            urls = {"SQLite": f"sqlite:///{folder / 'semantik.db'}", "PostgreSQL": server.url("bench")}
            for url in urls.values():
                migrations.upgrade(url)
            yield urls
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def runtime_of(url: str, *, events: EventBus | None = None, lease_ttl_s: int = 30) -> Runtime:
    settings = Settings(data_dir=Path(tempfile.gettempdir()), job_lease_ttl_s=lease_ttl_s)
    absent = cast(Any, None)
    database = open_database(url)
    return Runtime(
        settings=settings,
        database=database,
        keyring=absent,
        blobs=absent,
        vectors=absent,
        extractor=absent,
        events=events or MemoryEvents(),
    )


async def tenant(database: Database, name: str) -> Actor:
    tenant_id, user_id = new_id(), new_id()
    async with database.write() as session:
        await session.execute(sa.insert(tenants).values(id=tenant_id, name=name, created_at=now()))
        user = {"id": user_id, "email": f"{user_id}@example.org", "name": name, "password_hash": "!", "created_at": now()}
        await session.execute(sa.insert(users).values(**user))
        await session.execute(sa.insert(members).values(tenant_id=tenant_id, user_id=user_id, role="admin", created_at=now()))
        await session.commit()
    return Actor(tenant_id=TenantId(tenant_id), user_id=UserId(user_id), scope=Scope.ADMIN, via="token")


async def wipe(database: Database) -> None:
    async with database.write() as session:
        await session.execute(sa.delete(jobs))
        await session.commit()
