"""What is counted when somebody asks, not when it happens: jobs by queue, and the slots of workers."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from semantik.jobs.store import reading, workers
from semantik.jobs.values import QUEUES
from semantik.kit import logs, metrics
from semantik.kit.database import Database
from semantik.kit.errors import SemantikError

log = logs.get(__name__)

_SEEN = timedelta(minutes=1)
_GAUGES = (metrics.JOBS_READY, metrics.JOBS_RUNNING, metrics.JOBS_BLOCKED, metrics.JOBS_OLDEST_READY_SECONDS, metrics.JOBS_WORKER_SLOTS)


async def refresh(database: Database) -> None:
    """Counts the jobs of all tenants. Without a database these gauges are absent; the other metrics still come."""
    try:
        async with database.read() as session:
            depths = {row["queue"]: row for row in await reading.depths(session)}
            signed = await workers.list_all(session)
            now = await reading.now(session)
    except SemantikError as error:
        log.warning("jobs could not be counted for the metrics", code=error.code, detail=error.detail)
        for gauge in _GAUGES:
            gauge.clear()
        return
    for queue in QUEUES:
        row = depths.get(queue, {"ready": 0, "running": 0, "blocked": 0, "oldest_ready_at": None})
        metrics.JOBS_READY.labels(queue=queue).set(row["ready"])
        metrics.JOBS_RUNNING.labels(queue=queue).set(row["running"])
        metrics.JOBS_BLOCKED.labels(queue=queue).set(row["blocked"])
        oldest = row["oldest_ready_at"]
        metrics.JOBS_OLDEST_READY_SECONDS.labels(queue=queue).set((now - oldest).total_seconds() if oldest is not None else 0)
    slots: Counter[str] = Counter()
    for worker in signed:
        if worker.state != workers.WorkerState.DOWN and now - worker.last_seen_at <= _SEEN:
            slots[worker.pool] += worker.slots
    metrics.JOBS_WORKER_SLOTS.clear()
    for pool, count in slots.items():
        metrics.JOBS_WORKER_SLOTS.labels(pool=pool).set(count)
