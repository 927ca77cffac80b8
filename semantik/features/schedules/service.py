"""Schedules: made, changed, paused; what could never fire is refused at once."""

from __future__ import annotations

from typing import Any

from semantik.auth.access import SourceUnknown
from semantik.auth.actor import Actor
from semantik.features.schedules import repository
from semantik.jobs.schedule import Rhythm, arguments
from semantik.jobs.store import reading
from semantik.jobs.store import schedules as store
from semantik.jobs.values import JobArgs
from semantik.kit.database import AsyncSession
from semantik.kit.ids import new_id


async def add(session: AsyncSession, actor: Actor, values: dict[str, Any]) -> str:
    """Raises `BadSchedule` for what could never fire, `SourceUnknown` for a source that is not the tenant's, and `ScheduleNameTaken`."""
    rhythm = Rhythm(values["cron"], values["every_s"], values["timezone"])
    rhythm.check()
    await _require_source(session, actor, arguments(values["kind"], values["params"]))
    now = await reading.now(session)
    row = {**values, "id": new_id(), "tenant_id": actor.tenant_id, "next_fire_at": rhythm.next(after=now), "created_at": now}
    await store.add(session, row)
    return str(row["id"])


async def change(session: AsyncSession, actor: Actor, schedule_id: str, changes: dict[str, Any]) -> None:
    row = await repository.get(session, actor, schedule_id)
    if "params" in changes:
        await _require_source(session, actor, arguments(row.kind, changes["params"]))
    if changes.get("cron") is not None:
        changes.setdefault("every_s", None)
    elif changes.get("every_s") is not None:
        changes.setdefault("cron", None)
    after = {name: changes.get(name, getattr(row, name)) for name in ("cron", "every_s", "timezone")}
    rhythm = Rhythm(**after)
    rhythm.check()
    if any(after[name] != getattr(row, name) for name in after):
        changes["next_fire_at"] = rhythm.next(after=await reading.now(session))
    if changes:
        await store.change(session, row, changes)


async def pause(session: AsyncSession, actor: Actor, schedule_id: str) -> None:
    row = await repository.get(session, actor, schedule_id)
    if row.paused_at is None:
        await store.change(session, row, {"paused_at": await reading.now(session)})


async def resume(session: AsyncSession, actor: Actor, schedule_id: str) -> None:
    """From now on: what fell into the pause is not made up for."""
    row = await repository.get(session, actor, schedule_id)
    rhythm = Rhythm(row.cron, row.every_s, row.timezone)
    await store.change(session, row, {"paused_at": None, "next_fire_at": rhythm.next(after=await reading.now(session))})


async def _require_source(session: AsyncSession, actor: Actor, args: JobArgs) -> None:
    if args.about_source is not None and not await repository.has_source(session, actor, args.about_source):
        raise SourceUnknown(f"there is no source {args.about_source}")
