"""The JSON of syncing, uploading and retrying."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


class Moved(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    from_: str = Field(alias="from")
    to: str


class PlanCounts(BaseModel):
    added: int
    modified: int
    moved: int
    deleted: int
    unchanged: int


class EstimatedRange(BaseModel):
    """Nine times of ten between low and high."""

    low: float
    likely: float
    high: float


class Estimate(BaseModel):
    """What reading the new and changed documents will take, from a look at some of them."""

    items: EstimatedRange = Field(description="Documents, those inside archives and mails included.")
    chunks: EstimatedRange
    minutes: EstimatedRange
    disk_bytes: EstimatedRange
    tokens: EstimatedRange | None = Field(None, description="Only for a model that charges.")
    cost: EstimatedRange | None = Field(None, description="Tokens at SEMANTIK_REMOTE_EMBEDDING_PRICE; null while no price is set.")
    sampled: int = Field(description="Documents looked at.")
    speed_from: str = Field(description="Where the embedding speed comes from: earlier jobs, a quick try, or a guess.")


class SyncPlan(BaseModel):
    """What a sync would do; at most 100 paths of each kind are named, the counts are complete."""

    added: list[str]
    modified: list[str]
    moved: list[Moved]
    deleted: list[str]
    unchanged: int
    counts: PlanCounts
    held_deletions: int = Field(
        description="Deletions that a sync keeps back, because they look like an unmounted or emptied folder: all of them or none. "
        "Sync with `max_delete` to carry them out."
    )
    estimate: Estimate | None = Field(None, description="Null when there is nothing to read.")


Glob = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class FolderPlanRequest(BaseModel):
    """A folder that is to be looked at before it becomes a source."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"path": "/srv/contracts", "include": ["**/*.pdf"]}]})

    path: Annotated[str, StringConstraints(min_length=1, max_length=4000)] = Field(
        description="Absolute path on the machine that runs Semantik."
    )
    include: list[Glob] = Field(default_factory=list, max_length=200, description="Globs relative to the folder; empty: everything.")
    exclude: list[Glob] | None = Field(
        None, max_length=200, description="Globs left out; when not given: version control, caches and litter."
    )
    collection_id: str | None = Field(None, description="The collection it would fill; null: a new one with the default settings.")


class SyncRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    budget: dict[str, Annotated[float, Field(ge=0)]] | None = Field(
        None, description="Most that this sync may use up: items, minutes, tokens, cost. Null: the source's own budget."
    )
    max_delete: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="Delete up to so many documents, also where these are most or all of the source; keep them all if they are more. "
        "Null: unless they look like an accident.",
    )


class SyncAccepted(BaseModel):
    job_id: str


class UploadedFile(BaseModel):
    """The fate of one file: one that is rejected does not hold up the others."""

    name: str
    document_path: str | None = None
    state: Literal["accepted", "rejected"]
    size_bytes: int | None = None
    code: str | None = None
    reason: str | None = None
    hint: str | None = None


class Uploaded(BaseModel):
    source_id: str | None
    job_id: str | None = Field(description="The job that reads the accepted files; null when none was accepted.")
    files: list[UploadedFile]


class RetryRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    password: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = Field(
        None, description="Opens a locked document; kept sealed."
    )


class RetryFailedRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    codes: list[Annotated[str, StringConstraints(max_length=64)]] = Field(
        default_factory=list, max_length=50, description="Only failures with these codes; empty: all."
    )


class RetryAccepted(BaseModel):
    job_id: str | None
    documents: int


class DoctorRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    fix: bool = Field(False, description="Mend what is found. Without it nothing is changed.")
    hashes: bool = Field(True, description="Read every stored file through and compare it with its hash, and every text with its own.")
