"""Housekeeping of the engine itself, as a job like any other."""

from __future__ import annotations

from typing import ClassVar

from semantik.jobs.schedule import Default, Rhythm
from semantik.jobs.values import JobArgs, Queue


class CleanUpJobs(JobArgs):
    """Removes ended jobs, with their events, after this many days."""

    kind: ClassVar[str] = "clean_up_jobs"
    queue: ClassVar[Queue] = "maintenance"

    keep_days: int = 30


DEFAULT_SCHEDULES = (Default("Clean up old jobs", CleanUpJobs(), Rhythm("0 3 * * *", None), jitter_s=600),)
