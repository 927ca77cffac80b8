"""The port to the vector index: a projection of SQL that can always be rebuilt; dense and sparse in one set of points."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from semantik.kit.errors import DiskFull, InvalidInput, Misconfigured, Unavailable
from semantik.kit.ids import TenantId
from semantik.kit.sparse import SparseVector as SparseVector


class IndexUnavailable(Unavailable):
    """The index does not answer at the moment: starting, restarting, rebuilding, or its server is down."""

    code = "index_unavailable"
    title = "The search index is not available"
    default_hint = "Try again in a moment. `semantik doctor` says how the index is."


class IndexDiskFull(IndexUnavailable, DiskFull):
    """Its disk has no room. What needs it waits until there is some: no number of tries makes any."""

    code = "index_disk_full"
    title = "The disk of the search index is full"
    default_hint = DiskFull.default_hint


class IndexRefused(IndexUnavailable):
    """Its server answers, and wants other credentials: asking again changes nothing until somebody gives them."""

    code = "index_refused"
    title = "The vector server refuses this installation"


class IndexDamaged(Unavailable):
    """The index was found damaged and set aside; a rebuild from SQL is due. `space` in data."""

    code = "index_damaged"
    title = "The search index is being rebuilt"


class DimensionMismatch(Misconfigured):
    code = "dimension_mismatch"


class SpaceMismatch(Misconfigured):
    """An index of that name exists and was made for something else: another distance, or no BM25 side."""

    code = "space_mismatch"


class ServerTooOld(Misconfigured):
    code = "server_too_old"


class BadVector(InvalidInput):
    """Wrong length, not finite, or all zero; refused before anything of its batch is stored."""

    code = "bad_vector"


@dataclass(frozen=True, slots=True)
class Space:
    """One physical index: all points of one model, for all tenants. `key` is file-name safe, and ends with the dimensions."""

    key: str
    dimensions: int

    @classmethod
    def of_model(cls, model_key: str, dimensions: int) -> Self:
        return cls(f"{model_key}-{dimensions}", dimensions)

    @classmethod
    def of_key(cls, key: str) -> Self:
        return cls(key, int(key.rpartition("-")[2]))


@dataclass(frozen=True, slots=True)
class Point:
    """`id` is a UUID in text, equal to the chunk's id. A point may lack its dense side. `payload` keys are those of `PAYLOAD`."""

    id: str
    dense: NDArray[np.float32] | None
    sparse: SparseVector
    payload: Mapping[str, Any]


# A server is sent and asked so many at a time.
POINTS_A_CALL = 256

# Payload keys and the kind of their index. Tenant is the partition; text is never in the payload.
PAYLOAD: Mapping[str, str] = {
    "tenant": "keyword",
    "collection": "keyword",
    "generation": "integer",
    "source": "keyword",
    "document": "keyword",
    "media_type": "keyword",
    "language": "keyword",
    "tags": "keyword",
    "modified_at": "datetime",
}


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is searched before anyone narrows: one tenant, pairs of (collection, generation). IDF and moments are taken over it.

    Never empty: the constructor asserts it, because an empty `any of` matches nothing in one engine and everything in another.
    """

    tenant: TenantId
    collections: tuple[tuple[str, int], ...]

    def __post_init__(self) -> None:
        assert self.tenant and self.collections, "a corpus names its tenant and at least one collection"


@dataclass(frozen=True, slots=True)
class Filters:
    """Narrows a search; empty tuples do not narrow. Each field is `any of`, the fields are joined by `and`."""

    sources: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    modified_after: datetime | None = None
    modified_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """Ids best first with raw scores (cosine or BM25 with IDF); ties ordered by id, so equal calls give equal answers."""

    ids: tuple[str, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and standard deviation of this query's scores over `n` random points of the corpus (population formula)."""

    mean: float
    std: float
    n: int


@dataclass(frozen=True, slots=True)
class SideResult:
    """`moments` is None when the corpus is empty. `cross` gives this side's true scores for ids that only the other side found."""

    found: Scored
    moments: Moments | None
    cross: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Query:
    """At least one side. `limit` candidates a side, at most 1,000. `exact` scans instead of using the graph."""

    corpus: Corpus
    filters: Filters
    dense: NDArray[np.float32] | None
    sparse: SparseVector | None
    limit: int
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    dense: SideResult | None
    sparse: SideResult | None


class VectorStore(Protocol):
    """Writes are durable only when `flush` has returned. Equal ids overwrite. Every method raises `IndexUnavailable` or `IndexDamaged`.

    `on_damage(space key, reason)` is set by the owner: called when a space was found damaged and set aside.
    """

    on_damage: Callable[[str, str], None] | None

    async def ensure(self, space: Space) -> None:
        """Makes the space if it is not there. Raises `DimensionMismatch` when it exists with another size."""
        ...

    async def spaces(self) -> list[Space]: ...

    async def upsert(self, space: Space, points: Sequence[Point]) -> None:
        """Raises `BadVector` before storing any of the batch."""
        ...

    async def flush(self, space: Space) -> None: ...

    async def delete(self, space: Space, ids: Sequence[str]) -> None: ...

    async def delete_where(
        self, space: Space, *, tenant: TenantId, collection: str | None = None, generation: int | None = None, document: str | None = None
    ) -> None: ...

    async def query(self, space: Space, query: Query, *, coming: Awaitable[NDArray[np.float32]] | None = None) -> Answer:
        """Both sides with their moments and cross scores.

        `coming` brings a dense vector that is still being made, in place of `query.dense`: what can be found without it may be looked
        for meanwhile.
        """
        ...

    async def count(self, space: Space, corpus: Corpus | None = None, filters: Filters | None = None) -> int: ...

    async def present(self, space: Space, ids: Sequence[str]) -> set[str]:
        """Those of the ids that are points of the space, whosever they are: for verification."""
        ...

    def scan(self, space: Space, *, tenant: TenantId | None = None, vectors: bool = False) -> AsyncIterator[Sequence[Point]]:
        """All points, or those of one tenant, in batches, any order; for verification and for moving to another store."""
        ...

    async def drop(self, space: Space) -> None: ...

    async def optimize(self, space: Space) -> bool:
        """Builds search structures beside the serving index; True when something changed. Searches go on meanwhile."""
        ...

    async def health(self) -> Mapping[str, Any]: ...

    async def close(self) -> None: ...
