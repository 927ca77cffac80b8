"""When schedules fire, and one tick over those that are due.

Any number of processes may tick: the one whose compare-and-set on `next_fire_at` succeeds enqueues the job, in that same
transaction, so each time fires once. What was missed while nothing ran is made up for once, if it is not older than
`catchup_s`. Times are the database's; a cron expression is read in the schedule's time zone, where a clock change neither
skips a daily run nor doubles it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import ValidationError

from semantik.auth.actor import Actor, system
from semantik.jobs import handlers
from semantik.jobs.failpoints import fp
from semantik.jobs.queue import enqueue
from semantik.jobs.states import ENDED, Verb, why_not
from semantik.jobs.store import control, reading, rows
from semantik.jobs.store import schedules as store
from semantik.jobs.values import JobArgs
from semantik.kit import logs
from semantik.kit.database import AsyncSession, Database
from semantik.kit.errors import InvalidInput
from semantik.kit.ids import JobId, TenantId, derived_id

log = logs.get(__name__)

_FIVE = "Minute, hour, day of the month, month, day of the week, such as 0 3 * * *."


class BadSchedule(InvalidInput):
    code = "bad_schedule"
    title = "This schedule cannot be kept"
    default_hint = "Give either cron (five fields) or every_s, and params that the kind takes."


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Either a cron expression of five fields in a time zone, or a fixed number of seconds."""

    cron: str | None
    every_s: int | None
    timezone: str = "UTC"

    def check(self) -> None:
        """Raises `BadSchedule` for a rhythm that cannot be kept."""
        if (self.cron is None) == (self.every_s is None):
            raise BadSchedule("a schedule has either cron or every_s")
        # With a sixth field CronSim counts seconds, and would fire more often than every_s may.
        if self.cron is not None and (fields := len(self.cron.split())) != 5:
            raise BadSchedule(f"{self.cron!r} has {fields} fields, and a cron expression has five", hint=_FIVE)
        self.next(after=datetime(2026, 1, 1, tzinfo=UTC))

    def next(self, *, after: datetime) -> datetime:
        """The first time later than `after`, in UTC."""
        if self.every_s is not None:
            return after + timedelta(seconds=self.every_s)
        assert self.cron is not None
        try:
            local = after.astimezone(ZoneInfo(self.timezone))
            return next(CronSim(self.cron, local)).astimezone(UTC)
        except (CronSimError, StopIteration):
            raise BadSchedule(f"{self.cron!r} is not a cron expression that ever comes true", hint=_FIVE) from None
        except (KeyError, OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError
            raise BadSchedule(f"there is no time zone {self.timezone!r}", hint="Use a name such as Europe/Berlin.") from None

    def following(self, *, after: datetime, count: int = 5) -> list[datetime]:
        times: list[datetime] = []
        for _ in range(count):
            after = self.next(after=after)
            times.append(after)
        return times


@dataclass(frozen=True, slots=True)
class Schedule:
    """A row of `schedules`."""

    id: str
    tenant_id: TenantId
    name: str
    kind: str
    params: dict[str, object]
    rhythm: Rhythm
    next_fire_at: datetime | None
    overlap: str
    catchup_s: int
    jitter_s: int
    last_job_id: str | None


def arguments(kind: str, params: dict[str, object]) -> JobArgs:
    """The arguments a schedule enqueues with. Raises `BadSchedule` for a kind that is not known or does not take them."""
    handler = handlers.handler_of(kind)
    if handler is None or not handler.args.by_clock:
        words = f"there is no kind of job named {kind!r}" if handler is None else f"jobs of kind {kind} are not started by the clock"
        raise BadSchedule(words, hint=f"Known here: {', '.join(args.kind for args in kinds())}.")
    try:
        return handler.args.model_validate(params)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        raise BadSchedule(f"jobs of kind {kind} do not take these params: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None


def kinds() -> list[type[JobArgs]]:
    """What a schedule may start in this process, by name."""
    found = [handlers.handler_of(kind) for kind in handlers.known_kinds()]
    return [handler.args for handler in found if handler is not None and handler.args.by_clock]


async def tick(database: Database) -> list[JobId]:
    """Fires what is due and known here. Returns the jobs it made."""
    made: list[JobId] = []
    for schedule_id in await store.due(database, handlers.known_kinds()):
        async with database.write() as session:
            job_id = await _fire(session, schedule_id)
            fp("in_schedule_before_commit")
            await session.commit()
        if job_id is not None:
            made.append(job_id)
    return made


async def _fire(session: AsyncSession, schedule_id: str) -> JobId | None:
    row = await store.get(session, schedule_id)
    now = await reading.now(session)
    if row is None or row.next_fire_at is None or row.next_fire_at > now or row.paused_at is not None:
        return None
    schedule = of_row(row)
    fire_at = row.next_fire_at
    if not await store.advance(session, schedule_id, old=fire_at, new=schedule.rhythm.next(after=now)):
        return None
    late_s = (now - fire_at).total_seconds()
    if late_s > schedule.catchup_s:
        log.warning("schedule missed", schedule=schedule.name, late_s=round(late_s))
        await store.record_fire(session, schedule.tenant_id, schedule_id, fire_at, None)
        return None
    jitter = timedelta(seconds=random.uniform(0, schedule.jitter_s))  # noqa: S311 (spreads load)
    job_id = await run(session, schedule, available_at=now + jitter if schedule.jitter_s else None, actor=system(schedule.tenant_id))
    await store.record_fire(session, schedule.tenant_id, schedule_id, fire_at, job_id)
    return job_id


async def run(session: AsyncSession, schedule: Schedule, *, actor: Actor, available_at: datetime | None = None) -> JobId | None:
    """Enqueues the schedule's job as its overlap rule allows; None when it is left out this time."""
    previous = await rows.fetch(session, schedule.last_job_id) if schedule.last_job_id is not None else None
    depends_on: list[str] = []
    if previous is not None and previous.status not in ENDED:
        match schedule.overlap:
            case "skip":
                return None
            case "buffer_one":
                if previous.started_at is None:
                    return None
                depends_on = [previous.id]
            case "cancel_previous":
                if why_not(previous, Verb.CANCEL) is None:
                    await control.cancel(session, previous.id, by=actor.user_id)
                depends_on = [previous.id]
            case _:
                pass
    args = arguments(schedule.kind, schedule.params)
    enqueued = await enqueue(
        session,
        args,
        actor=actor,
        title=schedule.name,
        available_at=available_at,
        depends_on=depends_on,
        dep_policy="all_finished",
        source_id=args.about_source,
        concurrency_key=f"source:{args.about_source}" if args.about_source is not None else None,
    )
    await store.set_last_job(session, schedule.id, enqueued.id)
    return enqueued.id


@dataclass(frozen=True, slots=True)
class Default:
    """A schedule that every tenant has from the start and may pause or change."""

    name: str
    args: JobArgs
    rhythm: Rhythm
    overlap: str = "skip"
    jitter_s: int = 0


async def ensure_defaults(session: AsyncSession, tenant_id: TenantId, defaults: Sequence[Default]) -> None:
    """Adds the defaults that a tenant lacks; leaves those it has as they are. The commit is the caller's."""
    now = await reading.now(session)
    for default in defaults:
        await store.add_if_missing(
            session,
            {
                "id": derived_id("schedule", tenant_id, default.name),
                "tenant_id": tenant_id,
                "name": default.name,
                "kind": default.args.kind,
                "params": default.args.model_dump(mode="json"),
                "cron": default.rhythm.cron,
                "every_s": default.rhythm.every_s,
                "timezone": default.rhythm.timezone,
                "next_fire_at": default.rhythm.next(after=now),
                "overlap": default.overlap,
                "jitter_s": default.jitter_s,
                "created_at": now,
            },
        )


def of_row(row: store.Row) -> Schedule:
    return Schedule(
        id=row.id,
        tenant_id=TenantId(row.tenant_id),
        name=row.name,
        kind=row.kind,
        params=row.params,
        rhythm=Rhythm(row.cron, row.every_s, row.timezone),
        next_fire_at=row.next_fire_at,
        overlap=row.overlap,
        catchup_s=row.catchup_s,
        jitter_s=row.jitter_s,
        last_job_id=row.last_job_id,
    )
