"""What flows through a search: the request, candidates with their evidence, passages, hits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from semantik.engines.vectors.base import Filters


class Mode(StrEnum):
    HYBRID = "hybrid"
    DENSE = "dense"
    SPARSE = "sparse"


class Grouping(StrEnum):
    DOCUMENT = "document"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Request:
    """`collections` None means all that the actor may read. `cursor` is the `next_cursor` of the page before."""

    query: str
    collections: tuple[str, ...] | None = None
    mode: Mode = Mode.HYBRID
    limit: int = 10
    cursor: str | None = None
    filters: Filters = field(default_factory=Filters)
    group_by: Grouping = Grouping.DOCUMENT
    min_score: float | None = None
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Searchable:
    """A readable collection with the generation that answers for it."""

    id: str
    name: str
    model: str
    generation: int
    space: str
    rebuilding: bool


# Tuples, these two: a search makes some two hundred of them, and a frozen dataclass takes three times as long to make.
class Evidence(NamedTuple):
    """What one side says of a candidate. `rank` from 1, None when the side itself did not find it.

    `z`: by how many standard deviations the score stands above random passages of the searched collections.
    """

    rank: int | None
    score: float
    z: float


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each side counted for this query, and why in plain words."""

    dense: float
    sparse: float
    why: str


class Candidate(NamedTuple):
    """A chunk before it is read. `score` in [0, 1] is `total`, the weighted sum of z, calibrated; see `fuse`."""

    id: str
    score: float
    total: float
    weights: Weights
    # What tells the evidence of both sides: ten of two hundred candidates are ever asked for it.
    told: Callable[[str], tuple[Evidence | None, Evidence | None]]

    @property
    def dense(self) -> Evidence | None:
        return self.told(self.id)[0]

    @property
    def sparse(self) -> Evidence | None:
        return self.told(self.id)[1]


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk as it is stored, with what a hit shows of its document."""

    chunk_id: str
    text: str
    start: int
    end: int
    page: int | None
    heading_path: tuple[str, ...]
    position: Mapping[str, Any]
    language: str | None
    document_id: str
    document_name: str
    document_title: str | None
    document_path: str
    media_type: str | None
    collection_id: str
    source_id: str


@dataclass(frozen=True, slots=True)
class Hit:
    """`highlights` are [start, end) in the passage's text. `terms` are words of the query found in it."""

    passage: Passage
    candidate: Candidate
    collection_name: str
    highlights: tuple[tuple[int, int], ...]
    terms: tuple[str, ...]
    more_in_document: int

    @property
    def source_link(self) -> str:
        return f"/documents/{self.passage.document_id}?chunk={self.passage.chunk_id}"


@dataclass(frozen=True, slots=True)
class SearchResult:
    """`weights` is None when nothing was asked of an index (no collection has content)."""

    query: str
    mode: Mode
    hits: tuple[Hit, ...]
    next_cursor: str | None
    took_ms: float
    collections: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    weights: Weights | None
