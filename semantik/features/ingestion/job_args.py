"""What ingestion asks of the job engine; whoever enqueues imports this and never the handler."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from semantik.engines.blobs.base import NAMED_WITHIN_S
from semantik.jobs.schedule import Default, Rhythm
from semantik.jobs.values import JobArgs, Needs, Queue


class IngestSource(JobArgs):
    """Lists the source (unless `listing` is off: uploads, retries), then reads every document that is due.

    `max_delete`: how many documents it may delete; None: as many as look like no accident.
    """

    kind: ClassVar[str] = "ingest_source"
    queue: ClassVar[Queue] = "cpu"
    meters: ClassVar[tuple[str, ...]] = ("tokens", "cost", "chunks")
    # With less, readers and encoder would be killed for it.
    needs: ClassVar[Needs] = Needs(memory_bytes=200_000_000)

    source_id: str
    listing: bool = True
    max_delete: Annotated[int, Field(ge=0)] | None = None

    @property
    def about_source(self) -> str:
        return self.source_id


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
    """Removes stored files that no document names, vectors of texts that no chunk holds, and points of documents that are gone."""

    kind: ClassVar[str] = "clean_up_store"
    queue: ClassVar[Queue] = "maintenance"

    older_than_s: int = int(NAMED_WITHIN_S)


class CheckSources(JobArgs):
    """Looks which of the tenant's sources have changed, and syncs those. One job for all of them, at most every five minutes."""

    kind: ClassVar[str] = "check_sources"
    queue: ClassVar[Queue] = "maintenance"
    max_attempts: ClassVar[int] = 1


class Doctor(JobArgs):
    """Compares database, stored files, vectors and index with each other; with `fix` it mends what it finds.

    `hashes`: reads every stored file through and hashes every text; without, only what is there is asked. `older_than_s`: what
    is younger may be about to be named, and is left alone.
    """

    kind: ClassVar[str] = "doctor"
    queue: ClassVar[Queue] = "maintenance"
    meters: ClassVar[tuple[str, ...]] = ("tokens",)

    fix: bool = False
    hashes: bool = True
    older_than_s: int = 86_400


class RebuildIndex(JobArgs):
    """Fills the vector index of one tenant again from SQL; embeds nothing."""

    kind: ClassVar[str] = "rebuild_index"
    queue: ClassVar[Queue] = "io"
    by_clock: ClassVar[bool] = False

    space: str
    reason: str


DEFAULT_SCHEDULES = (
    Default("Check sources for changes", CheckSources(), Rhythm(None, 300)),
    Default("Clean up stored files", CleanUpStore(), Rhythm("0 3 * * *", None), jitter_s=600),
)
