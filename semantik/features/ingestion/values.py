"""What flows through ingestion: Item > Work > Fetched > ChunkDraft > Batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semantik.engines.chunking.base import ChunkingSettings
from semantik.engines.extract.base import Outcome
from semantik.engines.vectors.base import Space


@dataclass(frozen=True, slots=True)
class Target:
    """Where a job's documents go: the collection, its generation, and all that decides how they are cut and embedded."""

    collection_id: str
    source_id: str
    generation: int
    chunking: ChunkingSettings
    model: str
    model_key: str
    space: Space
    language: str
    pipeline_key: str


@dataclass(frozen=True, slots=True)
class Work:
    """One document that is due, as its row says."""

    id: str
    path: str
    name: str
    due: str
    version: int
    state: str
    content_hash: str | None
    pipeline_key: str | None
    parent_id: str | None
    container: Mapping[str, int] | None
    media_type: str | None
    size_bytes: int | None
    sealed_password: bytes | None
    modified_at: datetime | None
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fetched:
    """The original lies in the blob store under `content_hash` and can be read at `path`."""

    content_hash: str
    size_bytes: int
    path: Path


@dataclass(frozen=True, slots=True)
class ChunkDraft:
    """A chunk before its vector: `start` and `end` in the document's text; `embedded_text` carries the heading path too."""

    ordinal: int
    text: str
    start: int
    end: int
    tokens: int
    heading_path: tuple[str, ...]
    position: Mapping[str, Any]
    language: str | None
    embedded_text: str
    embedding_hash: str


@dataclass(frozen=True, slots=True)
class NewMember:
    """A document found inside another: stored already, to be read in its own turn; or refused, with the reason."""

    path: str
    name: str
    content_hash: str | None
    size_bytes: int
    container: Mapping[str, int]
    problem: tuple[str, str, str | None] | None


@dataclass(frozen=True, slots=True)
class Finish:
    """How a document ended. `text_hash` is the blob of its text, None when it has none."""

    state: str
    outcome: Outcome
    fetched: Fetched | None
    text_hash: str | None = None
    text_chars: int = 0
    chunk_count: int = 0
    language: str | None = None
    outline: tuple[Mapping[str, Any], ...] = ()
    members: tuple[NewMember, ...] = ()
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Chunks of one document with their vectors, in order; the last batch of a document carries its `finish`."""

    work: Work
    chunks: tuple[ChunkDraft, ...] = ()
    vectors: tuple[NDArray[np.float16], ...] = ()
    fresh: frozenset[str] = frozenset()  # embedding hashes that were computed just now, not found in SQL
    finish: Finish | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What a sampled document gave. `texts`: (hash, embedded text, tokens) of its first chunks; `seconds` of one reader."""

    chunks: int
    tokens: int
    characters: int
    members: int
    seconds: float
    texts: tuple[tuple[str, str, int], ...] = ()


@dataclass(slots=True)
class Plan:
    """A sync as a diff by content hash. Paths, ascending."""

    added: list[str] = field(default_factory=list)
    modified: list[str] = field(default_factory=list)
    moved: list[tuple[str, str]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    unchanged: int = 0
