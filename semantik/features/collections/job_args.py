"""What collections ask of the job engine."""

from __future__ import annotations

from typing import ClassVar

from semantik.jobs.values import JobArgs, Queue


class DeleteCollection(JobArgs):
    kind: ClassVar[str] = "delete_collection"
    queue: ClassVar[Queue] = "io"
    by_clock: ClassVar[bool] = False

    collection_id: str
