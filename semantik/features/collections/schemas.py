"""The JSON of collections."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Strategy = Literal["recursive", "markdown", "tokens", "sentences"]


class Chunking(BaseModel):
    """How documents are cut. Sizes are in tokens of the collection's embedding model."""

    model_config = ConfigDict(extra="forbid")

    strategy: Strategy = "recursive"
    max_tokens: int = Field(240, ge=16, le=100_000, description="Most tokens in a chunk.")
    overlap_tokens: int = Field(24, ge=0, le=100_000, description="Tokens a chunk repeats of the one before.")


class Reason(BaseModel):
    state: str
    code: str
    count: int


class Ledger(BaseModel):
    """What became of everything listed: listed = indexed + partial + skipped + failed + pending, always."""

    listed: int = 0
    indexed: int = 0
    partial: int = 0
    skipped: int = 0
    failed: int = 0
    pending: int = 0
    reasons: list[Reason] = Field(default_factory=list, description="Why documents are partial, skipped or failed, most frequent first.")


class NewCollection(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Contracts", "description": "Signed since 2019"}]})

    name: Name
    description: Annotated[str, StringConstraints(max_length=5000)] = ""
    embedding_model: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None, description="A name from GET /api/v1/models; the server's default when left out."
    )
    chunking: Chunking = Field(default_factory=lambda: Chunking())
    language: Annotated[str, StringConstraints(pattern="^(auto|[a-z]{2})$")] = Field(
        "auto", description="Language of documents too short to tell: auto or an ISO 639-1 code."
    )


class CollectionChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    description: Annotated[str, StringConstraints(max_length=5000)] | None = None


class Collection(BaseModel):
    id: str
    name: str
    description: str
    embedding_model: str
    chunking: Chunking
    language: str
    generation: int = Field(description="The generation of the index that answers searches.")
    created_at: datetime
    updated_at: datetime
    ledger: Ledger
    sources: int
    chunks: int


class Accepted(BaseModel):
    """The work was taken on as a job."""

    job_id: str


class PreviewRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, StringConstraints(max_length=200_000)]
    chunking: Chunking = Field(default_factory=lambda: Chunking())
    embedding_model: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None


class PreviewChunk(BaseModel):
    ordinal: int
    text: str
    start: int = Field(description="Offset in the text, in code points.")
    end: int
    tokens: int
    heading_path: list[str]


class Preview(BaseModel):
    chunks: list[PreviewChunk]


class Model(BaseModel):
    name: str
    installed: bool
    dimensions: int | None
    max_tokens: int | None
    languages: list[str]
    description: str
    default: bool


class Models(BaseModel):
    items: list[Model]
