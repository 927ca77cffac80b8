"""What archives ask of the job engine."""

from __future__ import annotations

from typing import ClassVar

from semantik.jobs.values import JobArgs, Queue


class ImportCollection(JobArgs):
    """Takes a bundle in as a new collection; `bundle` is the stored file, `name` what to call it instead of the name in the bundle."""

    kind: ClassVar[str] = "import_collection"
    queue: ClassVar[Queue] = "io"
    by_clock: ClassVar[bool] = False

    bundle: str
    name: str | None = None
