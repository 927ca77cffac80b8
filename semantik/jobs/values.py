"""What flows through the engine: arguments of a kind, the job row, the lease a worker holds, an item, an attempt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from semantik.jobs.states import Outcome, Status
from semantik.kit.database import AsyncSession
from semantik.kit.ids import JobId, TenantId

Queue = Literal["io", "cpu", "gpu", "llm", "maintenance"]
QUEUES: tuple[Queue, ...] = ("io", "cpu", "gpu", "llm", "maintenance")


@dataclass(frozen=True, slots=True)
class Needs:
    """Free memory without which a worker does not even begin: it puts the job off and leaves it to others meanwhile."""

    memory_bytes: int = 0
    gpu_memory_bytes: int = 0


class JobArgs(BaseModel):
    """What a job of one kind is asked to do: JSON in the row, so only what is needed and never a secret.

    `version` rises when a field changes its meaning; `migrate` turns older arguments into the present form.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    queue: ClassVar[Queue] = "cpu"
    version: ClassVar[int] = 1
    max_attempts: ClassVar[int] = 5
    stall_timeout_s: ClassVar[float] = 900
    # Whether people may start it by the clock. Not for what belongs to one act of theirs, such as a deletion.
    by_clock: ClassVar[bool] = True
    # What the handler counts with `JobContext.spend`, besides items and minutes: a budget may name these meters.
    meters: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[Needs] = Needs()

    @property
    def about_source(self) -> str | None:
        """The source that the job reads: two jobs of one source never run at once."""
        return None

    @classmethod
    def migrate(cls, params: dict[str, Any], version: int) -> dict[str, Any]:
        """Brings arguments written by an older `version` up to date. Kinds that changed override it."""
        return params


class Control(StrEnum):
    """What the owner of a lease is asked to do at its next item."""

    PAUSE = "pause"
    CANCEL = "cancel"
    DRAIN = "drain"


# Who paused a paused job: somebody, or the end of its budget.
PausedBy = Literal["user", "budget"]


@dataclass(frozen=True, slots=True)
class Enqueued:
    """`created` is False when an unfinished job with the same dedup key was there."""

    id: JobId
    created: bool


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write for one attempt of a job: good only while the row still carries this fence and owner."""

    job_id: JobId
    fence: int
    owner: str


@dataclass(frozen=True, slots=True)
class Job:
    """A row of `jobs`. Field names are those of the columns."""

    id: JobId
    tenant_id: TenantId
    collection_id: str | None
    source_id: str | None
    created_by: str | None
    kind: str
    title: str
    queue: str
    priority: int
    status: Status
    control: Control | None
    paused_by: PausedBy | None
    params: dict[str, Any]
    params_version: int
    dedup_key: str | None
    concurrency_key: str | None
    available_at: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    outcome: Outcome | None
    attempt: int
    max_attempts: int
    losses: int
    losses_in_row: int
    max_losses: int
    fence: int
    lease_owner: str | None
    lease_expires_at: datetime | None
    last_progress_at: datetime | None
    active_seconds: float
    cursor: Any
    cursor_version: int
    inflight_key: str | None
    inflight_crashes: int
    total: int | None
    done: int
    failed: int
    skipped: int
    quarantined: int
    rate_per_s: float | None
    budget: dict[str, float] | None
    spent: dict[str, float] | None
    estimate: dict[str, list[float]] | None
    waits: int
    message: str | None
    result: dict[str, Any] | None
    error_class: str | None
    error_code: str | None
    error_message: str | None
    correlation_id: str | None
    workflow_id: str | None
    parent_id: str | None
    only_items: bool
    pending_deps: int
    dep_policy: str
    event_seq: int

    @property
    def processed(self) -> int:
        return self.done + self.failed + self.skipped + self.quarantined

    @property
    def failed_items(self) -> int:
        return self.failed + self.quarantined

    @property
    def progress(self) -> float | None:
        """0..100, or None while the total is unknown."""
        if self.status is Status.COMPLETED:
            return 100.0
        if not self.total:
            return None
        return round(min(100.0, 100.0 * self.processed / self.total), 1)

    @property
    def counts(self) -> dict[str, int | None]:
        return {
            "total": self.total,
            "done": self.done,
            "failed": self.failed,
            "skipped": self.skipped,
            "quarantined": self.quarantined,
        }

    @property
    def lease(self) -> Lease:
        assert self.lease_owner is not None, "only a claimed job has a lease"
        return Lease(self.id, self.fence, self.lease_owner)


JOB_FIELDS = tuple(field.name for field in fields(Job))


def job_of(row: Mapping[Any, Any]) -> Job:
    """The value of a database row (any mapping that has the columns)."""
    values = {name: row[name] for name in JOB_FIELDS}
    values["status"] = Status(values["status"])
    values["outcome"] = Outcome(values["outcome"]) if values["outcome"] is not None else None
    values["control"] = Control(values["control"]) if values["control"] is not None else None
    return Job(**values)


# What an item wants to write: awaited inside the transaction of its checkpoint, so it happens exactly once.
Effect = Callable[[AsyncSession], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of a job. `key` is unique and stable within the job; `cursor` is where a later attempt goes on after it.

    `cursor` is JSON, a position (last sort key and id) and never an offset.
    """

    key: str
    value: Any
    cursor: Any
    label: str | None = None


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """A row of `job_items`: kept for items that did not simply succeed."""

    key: str
    state: Literal["done", "failed", "quarantined", "skipped"]
    label: str | None = None
    attempts: int = 1
    crashes: int = 0
    error_class: str | None = None
    error_code: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt ended badly, as it stands in the row."""

    error_class: str
    code: str
    message: str
