"""The bundle of one collection: a file that another installation, another tenant, or the same one takes in as a new collection.

docs/guide/bundle.md is its description for others. Ids in it only tie its own rows together: whoever takes it in gives new ones.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from semantik.engines.chunking.base import ChunkingSettings
from semantik.kit.archive import Archive, ArchiveDamaged, checked

FORMAT, VERSION = "semantik-collection", 1
ENDING = ".semantik-collection"
NAMES = re.compile(r"rows/(sources|documents|embeddings|chunks)/\d{6,12}\.jsonl|blobs/[0-9a-f]{64}")

# PostgreSQL has no NUL in a text.
_NO_NUL = r"^[^\x00]*$"
_Short = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_NO_NUL)]
# Three of them together are the total of a job, which is kept in 32 bits.
_Count = Annotated[int, Field(ge=0, le=500_000_000)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Chunking(_Part):
    strategy: Literal["recursive", "markdown", "tokens", "sentences"]
    max_tokens: int = Field(ge=16, le=100_000)
    overlap_tokens: int = Field(ge=0, le=100_000)

    def settings(self) -> ChunkingSettings:
        return ChunkingSettings(**self.model_dump())


class Described(_Part):
    """The collection itself."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_NO_NUL)]
    description: Annotated[str, StringConstraints(max_length=5000, pattern=_NO_NUL)]
    chunking: Chunking
    language: Annotated[str, StringConstraints(pattern="^(auto|[a-z]{2})$")]
    generation: int = Field(ge=1, le=1_000_000)
    mean_terms: float | None = Field(gt=0, allow_inf_nan=False)


class Model(_Part):
    """Equal keys give equal vectors: then none is computed again."""

    name: _Short
    key: _Short
    dimensions: int = Field(ge=1, le=100_000)


class Manifest(_Part):
    format: str
    version: int
    semantik: str
    made_at: str
    collection: Described
    model: Model


class End(_Part):
    documents: _Count
    chunks: _Count
    files: _Count
    problem_count: _Count


def manifest_of(archive: Archive) -> Manifest:
    """Raises `ArchiveDamaged` for what is no bundle, or one of a later form."""
    found = archive.manifest()
    if found.get("format") != FORMAT:
        raise ArchiveDamaged("the file is no bundle of a collection", hint="Backups of a whole installation: semantik restore.")
    if found.get("version") != VERSION:
        raise ArchiveDamaged(f"the bundle has form {found.get('version')!r}, and this version of Semantik reads form {VERSION}")
    return checked(Manifest, found, "the bundle's manifest")


def end_of(facts: dict[str, Any]) -> End:
    return checked(End, facts, "the bundle's end")
