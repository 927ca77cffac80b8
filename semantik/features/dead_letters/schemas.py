"""The JSON of dead letters."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

What = Literal["job", "item"]


class DeadLetter(BaseModel):
    """A job that failed for good, or an item that an ended job left failed or set aside and that nothing took over yet."""

    what: What
    job_id: str
    title: str = Field(description="Of the job.")
    kind: str
    collection_id: str | None
    key: str | None = Field(description="Of the item; null for a job.")
    label: str | None
    state: str = Field(description="failed, or quarantined: the item ended its process three times.")
    tries: int
    error_class: str | None
    code: str | None
    message: str | None
    at: datetime


class DeadReason(BaseModel):
    what: What
    code: str | None
    count: int


class Retry(BaseModel):
    """Which dead letters to try again; empty: all. At most 1,000 at a call."""

    model_config = ConfigDict(extra="forbid")

    what: What | None = None
    kind: str | None = Field(None, max_length=100)
    collection: str | None = Field(None, max_length=100)
    code: str | None = Field(None, max_length=64)


class Retried(BaseModel):
    failed_jobs: int = Field(description="Failed jobs that go on from their cursor.")
    failed_items: int = Field(description="Items that new jobs took over.")
    job_ids: list[str] = Field(description="The jobs that are at work now.")
    refused: int = Field(description="Jobs that could not be tried again, such as one whose twin is at work.")
    more: bool = Field(description="There was more than one call takes: ask again.")
