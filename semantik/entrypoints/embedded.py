"""API, worker and engines in one process that owns its data folder: what `semantik serve` and the bare CLI run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from semantik.entrypoints import all_jobs, api
from semantik.entrypoints.opened import Opened
from semantik.features.accounts.startup import local_actor
from semantik.features.activity import job_args as activity
from semantik.features.ingestion import job_args as ingestion
from semantik.features.ingestion.guard import IndexGuard
from semantik.features.schedules import startup
from semantik.http.local import OwnerCredential
from semantik.jobs import rescue
from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.kit import ownership, sqlite_files
from semantik.kit.concurrency import run_cpu
from semantik.kit.database_errors import DatabaseDamaged
from semantik.kit.settings import Settings
from semantik.runtime import open_runtime, prepare_schema

DEFAULT_SCHEDULES = (*activity.DEFAULT_SCHEDULES, *ingestion.DEFAULT_SCHEDULES)

assert all_jobs.MODULES, "importing it registers the handlers"


@asynccontextmanager
async def opened(settings: Settings, *, at_work: bool = True) -> AsyncIterator[Opened]:
    """Claims the data folder, brings the schema up to date, opens the engines, takes back jobs that a crash left, starts work.

    `at_work`: at once, and by the schedules; otherwise with the first job that is enqueued here, or the first ring.

    Raises a `SemantikError` with a clear sentence, and leaves everything as it was, when any of that is impossible.
    """
    owner = ownership.claim(settings.data_dir)
    try:
        await run_cpu(check_database, settings)
        await run_cpu(prepare_schema, settings)
        runtime = await open_runtime(settings)
        try:
            await rescue.take_back_all(runtime.database)
            dispatcher, guard = LocalDispatcher(runtime), IndexGuard(runtime.database, runtime.vectors, runtime.loops)
            await guard.start()
            await (dispatcher.start() if at_work else dispatcher.start_when_rung())
            try:
                actor = await local_actor(runtime.database)
                await startup.add_schedules(runtime.database, actor.tenant_id, DEFAULT_SCHEDULES)
                app = api.build(runtime)
                app.state.owner = OwnerCredential(actor, owner.token)
                yield Opened(app=app, actor=actor, runtime=runtime, dispatcher=dispatcher, owner=owner)
            finally:
                await dispatcher.stop()
                await guard.stop()
        finally:
            await runtime.close()
            await run_cpu(_note_sound, settings)
    finally:
        owner.release()


def check_database(settings: Settings) -> None:
    """A file that is no sound SQLite database is left alone, with a sentence, before anything opens it for writing.

    Reading all of it takes time that grows with it, so one that was closed in order and not touched since is taken as sound.
    """
    path = settings.data_dir / "semantik.db"
    if settings.database_url is not None or not path.exists() or path.stat().st_size == 0:
        return
    note = _note_of(path)
    noted = note.read_text(encoding="ascii") if note.exists() else None
    note.unlink(missing_ok=True)
    if noted == _as_it_lies(path):
        return
    damage = sqlite_files.damage(path)
    if damage is not None:
        raise DatabaseDamaged(f"the database {path} is damaged: {damage}")


def _note_sound(settings: Settings) -> None:
    path = settings.data_dir / "semantik.db"
    if settings.database_url is None and path.exists():
        # A convenience: on a full disk the next start reads the file.
        with suppress(OSError):
            _note_of(path).write_text(_as_it_lies(path), encoding="ascii")


def _note_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sound")


def _as_it_lies(path: Path) -> str:
    """Changes whenever somebody writes the file, or its write-ahead log holds what it lacks."""
    status, log = path.stat(), path.with_name(f"{path.name}-wal")
    return f"{status.st_size} {status.st_mtime_ns} {log.stat().st_size if log.exists() else 0}"
