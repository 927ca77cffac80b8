"""The JSON of queues, workers and recoveries."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from semantik.jobs.states import Outcome, Status
from semantik.jobs.store.workers import WorkerState


class Limits(BaseModel):
    max_running: int | None = Field(description="Most jobs at once, over all tenants. Null: no limit.")
    max_per_tenant: int | None = Field(description="Most jobs at once of each tenant. Null: no limit.")


class KindState(Limits):
    """A kind of job that runs in the queue."""

    kind: str


class QueueState(Limits):
    """Your jobs in one queue. Pause and limits hold for everybody."""

    queue: str
    ready: int
    later: int = Field(description="Queued for a later time.")
    blocked: int
    paused: int
    running: int
    oldest_ready_at: datetime | None
    paused_at: datetime | None
    kinds: list[KindState] = Field(description="The kinds of job that run in it, each with limits that hold beside those of the queue.")
    workers: int = Field(description="Living workers that serve it. 0: nothing in it starts.")
    slots: int = Field(description="How many jobs those workers run at once, over all their queues.")


class LimitsChange(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    max_running: int | None = Field(None, ge=1, le=10_000, description="Most jobs at once, over all tenants. Null takes the limit away.")
    max_per_tenant: int | None = Field(None, ge=1, le=10_000, description="Most jobs at once of each tenant. Null takes the limit away.")


class QueueChange(LimitsChange):
    paused: bool | None = None


class HeldJob(BaseModel):
    job_id: str
    title: str
    status: Status


class Worker(BaseModel):
    id: str = Field(description="Of the process.")
    name: str = Field(description="Of the worker that the process is part of, as Flower shows it.")
    pool: str
    queues: list[str]
    slots: int
    version: str
    state: WorkerState = Field(description="up, draining (takes no more jobs), down, or silent when it has not been seen for a minute.")
    drain_asked_at: datetime | None = Field(description="Since when it shall take no more jobs; null: it takes them.")
    started_at: datetime
    last_seen_at: datetime
    running: list[HeldJob] = Field(description="Your jobs it holds.")


class Recovery(BaseModel):
    """A worker that was lost with a job, and what became of it."""

    job_id: str
    title: str
    status: Status = Field(description="Of the job, now.")
    outcome: Outcome | None
    fence: int = Field(description="Number of the attempt that was lost.")
    owner: str
    started_at: datetime
    lost_at: datetime = Field(description="When the lease was taken back.")
    resumed_at: datetime | None = Field(description="When another attempt went on; null while none has.")
    became: str = Field(description="resumed, waiting (for a worker), paused, cancelled or failed.")


class Recoveries(BaseModel):
    items: list[Recovery] = Field(description="Newest first, at most 200.")
    lost: int
    resumed: int
    words: str = Field(description="The whole in a sentence, such as: 3 leases lost, all resumed.")
