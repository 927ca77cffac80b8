"""What ingestion asks of the job engine; whoever enqueues imports this and never the handler."""

from __future__ import annotations

from typing import ClassVar

from semantik.jobs.schedule import Default, Rhythm
from semantik.jobs.values import JobArgs, Queue


class IngestSource(JobArgs):
    """Lists the source (unless `listing` is off: uploads, retries), then reads every document that is due."""

    kind: ClassVar[str] = "ingest_source"
    queue: ClassVar[Queue] = "cpu"

    source_id: str
    listing: bool = True


class RemoveSource(JobArgs):
    kind: ClassVar[str] = "remove_source"
    queue: ClassVar[Queue] = "io"
    by_clock: ClassVar[bool] = False

    source_id: str


class RemoveDocument(JobArgs):
    kind: ClassVar[str] = "remove_document"
    queue: ClassVar[Queue] = "io"
    by_clock: ClassVar[bool] = False

    document_id: str


class CleanUpStore(JobArgs):
    """Removes stored files that no document names, and points of documents that are gone."""

    kind: ClassVar[str] = "clean_up_store"
    queue: ClassVar[Queue] = "maintenance"

    older_than_s: int = 86_400


class RebuildIndex(JobArgs):
    """Fills the vector index of one tenant again from SQL; embeds nothing."""

    kind: ClassVar[str] = "rebuild_index"
    queue: ClassVar[Queue] = "io"
    by_clock: ClassVar[bool] = False

    space: str
    reason: str


DEFAULT_SCHEDULES = (Default("Clean up stored files", CleanUpStore(), Rhythm("0 3 * * *", None), jitter_s=600),)
