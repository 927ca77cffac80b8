"""Takes back the leases of workers that fell silent. Every process may do it; the database decides who was first."""

from __future__ import annotations

from semantik.jobs.store import rescue as store
from semantik.jobs.store import workers
from semantik.jobs.values import Job
from semantik.kit import logs, metrics
from semantik.kit.database import Database

log = logs.get(__name__)

_LONG_S = 600.0


async def take_back(database: Database, job_id: str, fence: int, *, even_valid: bool = False) -> Job | None:
    job = await store.take_back(database, job_id, fence, even_valid=even_valid)
    if job is not None:
        metrics.JOBS_LEASES_LOST.inc()
        log.warning("job taken back from a lost worker", job_id=job_id, kind=job.kind, status=str(job.status), losses=job.losses)
    return job


async def sweep(database: Database) -> list[Job]:
    """Settles every lease that has run out."""
    taken = [await take_back(database, job_id, fence) for job_id, fence in await store.expired(database)]
    return [job for job in taken if job is not None]


async def lift_the_waiting(database: Database) -> None:
    """Raises, once a minute, the priority of what has been ready for ten: a stream of urgent jobs starves nobody."""
    if lifted := await store.lift_the_waiting(database, older_than_s=_LONG_S):
        log.info("priority raised of jobs that waited long", jobs=lifted)


async def take_back_all(database: Database) -> list[Job]:
    """Settles every lease at once, and every worker is down. Only for who holds the lock of the data folder: nobody else can be alive."""
    await workers.all_down(database)
    taken = [await take_back(database, job_id, fence, even_valid=True) for job_id, fence in await store.expired(database, all_leases=True)]
    return [job for job in taken if job is not None]
