"""The JSON of jobs, their items, attempts, events and log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from semantik.jobs import budget, eta, handlers, values
from semantik.jobs.states import Outcome, Status, Verb, display, verbs, why_not


class Counts(BaseModel):
    total: int | None = Field(description="Null while it is not known.")
    done: int
    failed: int
    skipped: int
    quarantined: int


class JobError(BaseModel):
    code: str
    message: str
    error_class: str | None = Field(None, description="transient, rate_limited, resource, permanent, item, unknown or lost.")


class Job(BaseModel):
    """A job as its owner sees it. `allowed` are the verbs that make sense now; `why_not` says why the others do not."""

    id: str
    kind: str
    title: str
    status: Status
    display_status: str = Field(description="The status, or scheduled, retrying, waiting, interrupted, stalled.")
    queue: str
    priority: int = Field(description="0 first, 9 last.")
    collection_id: str | None
    source_id: str | None
    created_by: str | None
    created_at: datetime
    available_at: datetime = Field(description="It does not start before this.")
    started_at: datetime | None
    finished_at: datetime | None
    attempt: int
    max_attempts: int
    losses: int = Field(description="Workers that were lost with it; each time it went on from its cursor.")
    counts: Counts
    progress: float | None = Field(description="0 to 100; null while the total is not known.")
    rate_per_s: float | None
    eta_s: int | None = Field(description="Null while it would be a guess.")
    active_s: float = Field(description="Time spent running, over all attempts.")
    budget: dict[str, float] | None = Field(description="Most that it may use up, by meter; null: no limit.")
    spent: dict[str, float] = Field(description="Used up so far: items, minutes, and what else its kind counts.")
    estimate: dict[str, list[float]] | None = Field(description="What was expected of each meter: [low, likely, high].")
    paused_by: values.PausedBy | None = Field(description="Who paused a paused job: user, or budget when it came to the end of that.")
    message: str | None
    outcome: Outcome | None
    error: JobError | None
    result: dict[str, Any] | None
    parent_id: str | None
    workflow_id: str | None
    correlation_id: str | None
    seq: int = Field(description="Number of its newest event.")
    allowed: list[str]
    why_not: dict[str, str]

    @classmethod
    def of(cls, job: values.Job, now: datetime) -> Job:
        handler = handlers.handler_of(job.kind)
        running = job.status is Status.RUNNING
        reasons = {verb: why_not(job, verb) for verb in Verb}
        return cls(
            id=job.id,
            kind=job.kind,
            title=job.title,
            status=job.status,
            display_status=display(job, now, handler.args.stall_timeout_s if handler is not None else 900),
            queue=job.queue,
            priority=job.priority,
            collection_id=job.collection_id,
            source_id=job.source_id,
            created_by=job.created_by,
            created_at=job.created_at,
            available_at=job.available_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            losses=job.losses,
            counts=Counts.model_validate(job.counts),
            progress=job.progress,
            rate_per_s=job.rate_per_s if running else None,
            eta_s=eta.remaining_s(total=job.total, processed=job.processed, rate_per_s=job.rate_per_s) if running else None,
            active_s=round(job.active_seconds, 3),
            budget=job.budget,
            spent={meter: round(amount, 6) for meter, amount in budget.spent(job).items()},
            estimate=job.estimate,
            paused_by=job.paused_by,
            message=job.message,
            outcome=job.outcome,
            error=JobError(code=job.error_code or "internal", message=job.error_message or "", error_class=job.error_class)
            if job.error_class
            else None,
            result=job.result,
            parent_id=job.parent_id,
            workflow_id=job.workflow_id,
            correlation_id=job.correlation_id,
            seq=job.event_seq,
            allowed=[str(verb) for verb in verbs(job)],
            why_not={str(verb): reason for verb, reason in reasons.items() if reason is not None},
        )


class Checkpoint(BaseModel):
    """Where another attempt would go on. It never expires by itself, and a paused job keeps it for ever."""

    task_id: str
    name: str
    state: Status
    current_index: int
    total_items: int | None
    cursor: Any
    in_hand: str | None = Field(description="Key of the item that was begun and not finished.")
    created: datetime
    updated: datetime | None
    expires: datetime | None = Field(
        description="When the clean-up may delete the ended job with all of this: its days to keep after the end. Null for a job "
        "that has not ended, paused or not, and where no clean-up is scheduled."
    )


class Edge(BaseModel):
    job_id: str
    title: str
    status: Status
    outcome: Outcome | None
    on_end: str


class Repeat(BaseModel):
    """A job made by restarting this one, or of failed items of it."""

    job_id: str
    title: str
    status: Status
    outcome: Outcome | None


class Node(BaseModel):
    job_id: str
    title: str
    kind: str
    status: Status
    outcome: Outcome | None


class GraphEdge(BaseModel):
    waited_for: str
    waits: str
    on_end: str = Field(description="success: starts only when the other one succeeded. finished: however it ended.")


class Graph(BaseModel):
    """Jobs that wait for each other, directly or not."""

    nodes: list[Node]
    edges: list[GraphEdge]
    complete: bool = Field(description="False when there are more than 200 jobs: the nearest are shown.")


class JobDetail(Job):
    params: dict[str, Any]
    checkpoint: Checkpoint
    waits_for: list[Edge]
    waited_for_by: list[Edge]
    repeated_in: list[Repeat]


class JobItem(BaseModel):
    """An item that did not simply succeed. `label` is what people call it; of an ingest job, `key` is the document's id."""

    key: str
    state: str
    label: str | None
    attempts: int
    crashes: int
    error: JobError | None
    retried_in: str | None = Field(description="The job that took this item over.")
    updated_at: datetime


class Attempt(BaseModel):
    fence: int
    owner: str
    started_at: datetime
    ended_at: datetime | None
    how: str | None = Field(description="completed, released, lost, error or control; null while it runs.")
    from_cursor: Any
    to_cursor: Any
    error: str | None


class LogLine(BaseModel):
    """`seq` is the number of the event that the line is; numbers in between were progress, or lines of a lower level."""

    seq: int
    at: datetime
    level: str
    type: str
    text: str
    fields: dict[str, Any]


class JobEvent(BaseModel):
    """The same message that the sockets send, with its time, its level and what it says in words."""

    type: str
    job_id: str
    seq: int | None
    level: str = "info"
    status: str | None = None
    progress: float | None = None
    counts: dict[str, int | None] | None = None
    eta_s: int | None = None
    message: str | None = None
    collection_id: str | None = None
    metadata: dict[str, Any] = {}
    at: datetime | None = None
    text: str = ""


class Priority(BaseModel):
    model_config = ConfigDict(extra="forbid")

    priority: int = Field(ge=0, le=9, description="0 first, 9 last.")


class Budget(BaseModel):
    """Replaces the job's budget; an empty one takes every limit away."""

    model_config = ConfigDict(extra="forbid")

    budget: dict[str, Annotated[float, Field(ge=0)]]


class Bulk(BaseModel):
    """One verb for all jobs that the filter finds, at most 1,000 at a call: pass `next_cursor` back for the others."""

    model_config = ConfigDict(extra="forbid")

    verb: Literal["pause", "resume", "cancel", "restart", "retry", "retry-failed", "priority", "delete"]
    status: list[Status] = Field([], description="Any of these; empty: all.")
    kind: str | None = None
    collection: str | None = None
    workflow: str | None = None
    priority: int | None = Field(None, ge=0, le=9, description="For the verb priority: 0 first, 9 last.")
    cursor: str | None = Field(None, max_length=2000)

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Bulk:
        if (self.verb == "priority") != (self.priority is not None):
            raise ValueError("priority is given with the verb priority, and only with it")
        return self


class BulkAnswer(BaseModel):
    changed: int
    refused: int = Field(description="Jobs whose state does not allow the verb.")
    job_ids: list[str]
    next_cursor: str | None = Field(description="Null when all were asked.")


class RetryFailed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: list[Annotated[str, Field(max_length=300)]] | None = Field(
        None, min_length=1, max_length=1000, description="Only these items; all when it is left out."
    )
