"""What is counted when somebody asks, not when it happens: jobs ready and running, by queue."""

from __future__ import annotations

from semantik.jobs.store import reading
from semantik.jobs.values import QUEUES
from semantik.kit import logs
from semantik.kit.database import Database
from semantik.kit.errors import SemantikError
from semantik.kit.metrics import JOBS_READY, JOBS_RUNNING

log = logs.get(__name__)


async def refresh(database: Database) -> None:
    """Counts the jobs of all tenants. Without a database the two gauges are absent; the other metrics still come."""
    try:
        async with database.read() as session:
            depths = {row["queue"]: row for row in await reading.depths(session)}
    except SemantikError as error:
        log.warning("jobs could not be counted for the metrics", code=error.code, detail=error.detail)
        JOBS_READY.clear()
        JOBS_RUNNING.clear()
        return
    for queue in QUEUES:
        JOBS_READY.labels(queue=queue).set(depths[queue]["ready"] if queue in depths else 0)
        JOBS_RUNNING.labels(queue=queue).set(depths[queue]["running"] if queue in depths else 0)
