"""The JSON of sources."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=500)]


Budget = Annotated[
    dict[str, Annotated[float, Field(ge=0)]],
    Field(description="Most that each sync may use up: items (documents), minutes, and for a model that charges tokens and cost."),
]
CheckEvery = Annotated[
    int, Field(ge=300, le=30 * 86400, description="Seconds between looks for changes; a sync starts only when there are some. Null: never.")
]


class DirectorySettings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    path: Annotated[str, StringConstraints(min_length=1, max_length=4000)] = Field(
        description="Absolute path on the machine that runs Semantik."
    )
    include: list[Glob] = Field(default_factory=list, max_length=200, description="Globs relative to the folder; empty: everything.")
    exclude: list[Glob] | None = Field(
        None, max_length=200, description="Globs left out; when not given: version control, caches and litter."
    )


class NewSource(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"kind": "directory", "settings": {"path": "/srv/contracts"}}]}
    )

    kind: Literal["directory"]
    name: Name | None = None
    settings: DirectorySettings
    sync: bool = Field(True, description="Start a sync at once.")
    budget: Budget | None = None
    check_every_s: CheckEvery | None = 300


class SourceChange(BaseModel):
    """What is left out stays as it is; `null` takes a budget or the checks away."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    settings: DirectorySettings | None = None
    budget: Budget | None = None
    check_every_s: CheckEvery | None = None


class SourceLedger(BaseModel):
    """listed = indexed + partial + skipped + failed + pending, always."""

    listed: int = 0
    indexed: int = 0
    partial: int = 0
    skipped: int = 0
    failed: int = 0
    pending: int = 0
    reasons: list[dict[str, Any]] = Field(default_factory=list)


class Source(BaseModel):
    id: str
    collection_id: str
    kind: str
    name: str
    settings: dict[str, Any]
    ledger: SourceLedger
    listed: int | None = Field(description="Items the last complete listing saw, documents inside archives and mails not counted.")
    held_deletions: int | None = Field(
        description="Documents that the last sync no longer found and kept, because so many look like an accident. Null: none."
    )
    synced_at: datetime | None
    budget: dict[str, float] | None
    check_every_s: int | None
    checked_at: datetime | None
    check_note: str | None = Field(description="Why the last look for changes came to nothing, where it did.")
    last_job_id: str | None
    created_at: datetime


class SourceKind(BaseModel):
    kind: str
    title: str
    settings_schema: dict[str, Any]


class SourceKinds(BaseModel):
    items: list[SourceKind]


class SourceAccepted(BaseModel):
    job_id: str
