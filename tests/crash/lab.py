"""What every part of the campaign stands on: databases to break, lines of cases side by side, and the tally of what was done."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from semantik import migrations
from semantik.auth.actor import Actor
from semantik.jobs.states import ENDED
from semantik.jobs.store.rows import DATABASE_ERRORS
from semantik.kit import logs
from semantik.kit.database import Database, open_database
from semantik.kit.walls import APP_ROLE
from semantik.tables.jobs import jobs, queues, schedule_fires, schedules, tenant_turns
from tests import services
from tests.conftest import administer, make_tenant
from tests.crash.servers import Broker
from tests.jobs.forks import Zygote, state
from tests.jobs.oracle import Seen
from tests.jobs.zygote import EFFECTS

DIALECTS = ("sqlite", "postgresql")
SETTLED = [*ENDED, "paused"]


@dataclass
class Tally:
    """What one part of the campaign did. `faults` counts what was done to processes, by name."""

    part: str
    database: str
    mode: str
    seed: int
    cases: int = 0
    jobs: int = 0
    effects: int = 0
    losses: int = 0
    quarantined: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    points: dict[str, int] = field(default_factory=dict)
    ended: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        return sum(count for name, count in self.faults.items() if name.startswith("kill"))

    def note(self, seen: Seen) -> None:
        self.jobs += seen.jobs
        self.effects += seen.effects
        self.losses += seen.losses
        self.quarantined += seen.quarantined
        self.ended.update(seen.by_status)

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "kills": self.kills}


class Lab:
    """Databases to break: a migrated template of each dialect, copied for each use."""

    def __init__(self, folder: Path, server: services.Postgres) -> None:
        self._folder = folder
        self._server = server
        self._sqlite = folder / "template.db"
        migrations.upgrade(f"sqlite:///{self._sqlite}")
        prepare(server, "template_campaign")

    def fresh(self, dialect: str) -> str:
        name = f"lab_{uuid.uuid4().hex[:10]}"
        if dialect == "sqlite":
            path = self._folder / f"{name}.db"
            shutil.copyfile(self._sqlite, path)
            return f"sqlite:///{path}"
        administer(self._server, f'CREATE DATABASE "{name}" TEMPLATE "template_campaign"')
        return self._server.url(name)


def prepare(server: services.Postgres, name: str) -> None:
    """A migrated database in which the harness may keep its table of effects."""
    administer(server, f'CREATE DATABASE "{name}"')
    migrations.upgrade(server.url(name))
    administer(server, f"GRANT CREATE ON SCHEMA public TO {APP_ROLE}", database=name)


@contextmanager
def lab() -> Iterator[Lab]:
    logs.configure("critical", "console")
    folder = Path(tempfile.mkdtemp(prefix="semantik-crash-"))
    try:
        with services.postgres() as server:
            yield Lab(folder, server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Lane:
    """One line of cases, run one after the other: a zygote, a database, and a broker if the mode wants one."""

    zygote: Zygote
    url: str
    database: Database
    actor: Actor
    folder: Path
    broker: Broker | None

    async def wipe(self) -> None:
        async with self.database.write() as session:
            for table in (EFFECTS, jobs, queues, tenant_turns, schedule_fires, schedules):
                await session.execute(sa.delete(table))
            await session.commit()
        if self.broker is not None:
            self.broker.flush()

    async def settled(self, within_s: float, worker: int | None = None) -> bool:
        """Whether all jobs came to rest in that time; False at once when the worker died before."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            rows: Sequence[Any] = ()
            # A database that crashed a moment ago may still be starting up.
            with contextlib.suppress(*DATABASE_ERRORS):
                async with self.database.read() as session:
                    rows = (await session.execute(sa.select(jobs.c.status))).all()
            if rows and all(row.status in SETTLED for row in rows):
                return True
            if worker is not None and state(worker) == "Z":
                return False
            await asyncio.sleep(0.03)
        return False


def in_lanes(lab: Lab, dialect: str, mode: str, lanes: int, cases: Sequence[Any], work: Callable[[Lane, Any], Awaitable[None]]) -> None:
    """Works off the cases in as many threads; what a case raises is its own to catch."""
    waiting = list(reversed(cases))
    lock = threading.Lock()

    async def serve(place: int) -> None:
        zygote, url = Zygote(), lab.fresh(dialect)
        database = open_database(url, pool_size=4)
        broker = Broker() if mode == "celery" else None
        folder = Path(tempfile.mkdtemp(prefix="lane-"))
        try:
            async with database.write() as session:
                await session.run_sync(lambda bound: EFFECTS.create(bound.connection()))
                await session.commit()
            lane = Lane(zygote, url, database, await make_tenant(database, "Alpha"), folder, broker)
            while True:
                with lock:
                    if not waiting:
                        return
                    case = waiting.pop()
                await work(lane, case)
        finally:
            zygote.close()
            await database.close()
            if broker is not None:
                broker.close()
            shutil.rmtree(folder, ignore_errors=True)

    threads = [threading.Thread(target=lambda place=place: asyncio.run(serve(place))) for place in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
