"""What collections ask of the job engine."""

from __future__ import annotations

from typing import ClassVar

from semantik.jobs.values import JobArgs


class DeleteCollection(JobArgs):
    kind: ClassVar[str] = "delete_collection"
    queue: ClassVar[str] = "io"

    collection_id: str
