"""The JSON of schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from semantik.jobs.states import Outcome, Status


class LastJob(BaseModel):
    job_id: str
    status: Status
    outcome: Outcome | None
    created_at: datetime
    finished_at: datetime | None


class Schedule(BaseModel):
    id: str
    name: str
    kind: str
    params: dict[str, Any]
    cron: str | None
    every_s: int | None
    timezone: str
    next_fire_at: datetime | None
    next_five: list[datetime]
    overlap: str
    catchup_s: int
    jitter_s: int
    paused_at: datetime | None
    last_job: LastJob | None = Field(description="The newest job it made that is still kept.")
    created_at: datetime


class NewSchedule(BaseModel):
    """Either `cron` (five fields, in `timezone`) or `every_s`."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    kind: str = Field(max_length=64)
    params: dict[str, Any] = {}
    cron: str | None = Field(None, max_length=100, examples=["0 3 * * *"])
    every_s: int | None = Field(None, ge=10, le=366 * 86400)
    timezone: str = Field("UTC", max_length=64, examples=["Europe/Berlin"])
    overlap: Literal["skip", "buffer_one", "cancel_previous", "allow"] = "skip"
    catchup_s: int = Field(3600, ge=0, le=30 * 86400, description="A missed run within this time is made up for, once.")
    jitter_s: int = Field(0, ge=0, le=3600)


class ScheduleChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, min_length=1, max_length=200)
    params: dict[str, Any] | None = None
    cron: str | None = Field(None, max_length=100)
    every_s: int | None = Field(None, ge=10, le=366 * 86400)
    timezone: str | None = Field(None, max_length=64)
    overlap: Literal["skip", "buffer_one", "cancel_previous", "allow"] | None = None
    catchup_s: int | None = Field(None, ge=0, le=30 * 86400)
    jitter_s: int | None = Field(None, ge=0, le=3600)


class Run(BaseModel):
    """A time that came."""

    fire_at: datetime
    job_id: str | None
    status: str = Field(
        description="Of the job; left_out when none was made (the last one still ran, or the time was missed), gone when deleted."
    )
    outcome: Outcome | None


class Kind(BaseModel):
    kind: str
    about: str
    queue: str
    params: dict[str, Any] = Field(description="JSON schema of what it takes.")


class Times(BaseModel):
    """Either `cron` or `every_s`."""

    model_config = ConfigDict(extra="forbid")

    cron: str | None = Field(None, max_length=100)
    every_s: int | None = Field(None, ge=10, le=366 * 86400)
    timezone: str = Field("UTC", max_length=64)


class NextTimes(BaseModel):
    next_five: list[datetime]


class Started(BaseModel):
    job_id: str
