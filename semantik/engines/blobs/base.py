"""The port to the store of originals and extracted texts: content-addressed, tenant-bound, streamed both ways."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from semantik.kit.errors import NotFound, Unavailable
from semantik.kit.ids import TenantId

# What an interrupted write left is a stray after this long: whoever writes touches it, and nobody pauses for a day.
STRAY_AGE_S = 86_400.0
# A stored blob waits less than this for the row that names it: its document is read, cut and embedded in between.
NAMED_WITHIN_S = 86_400.0


class BlobMissing(NotFound):
    code = "blob_missing"
    title = "The stored file is missing"
    default_hint = "Sync its source again to store it anew."


class BlobDamaged(NotFound):
    """The bytes under a name no longer hash to it: a broken disk, or somebody wrote into the store."""

    code = "blob_damaged"
    title = "The stored file is damaged"
    default_hint = "Sync its source again to store it anew."


class BlobsUnavailable(Unavailable):
    """The store does not answer, or refuses for now: its server is down, its bucket is gone, its key was withdrawn."""

    code = "blobs_unavailable"
    title = "The blob store is not available"
    default_hint = "Search and lists go on without it. `semantik doctor` says how it is."


@dataclass(frozen=True, slots=True)
class BlobRef:
    """`hash` = SHA-256 of the bytes, lower-case hex."""

    hash: str
    size_bytes: int


class BlobStore(Protocol):
    """Every method may raise `BlobsUnavailable`, whose store is elsewhere, after its own retries."""

    async def put(self, tenant: TenantId, pieces: AsyncIterable[bytes], *, max_bytes: int | None = None) -> BlobRef:
        """Stores the bytes under their hash, durable when it returns; equal bytes are stored once, and count as new from then.

        Raises `kit.errors.TooLarge` past `max_bytes` and `kit.errors.DiskFull`; nothing half-written stays.
        """
        ...

    def read(self, tenant: TenantId, blob_hash: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Bytes [start, end) in pieces.

        Raises `BlobMissing`, and `BlobDamaged` before the last piece when the whole is read and does not fit.
        """
        ...

    def local(self, tenant: TenantId, blob_hash: str) -> AbstractAsyncContextManager[Path]:
        """A local file with the bytes, for child processes, readable until the block ends. Not to be written to.

        A remote store keeps copies within a bound; what is lent out stays. Raises `BlobMissing`, `BlobDamaged`.
        """
        ...

    async def exists(self, tenant: TenantId, blob_hash: str) -> bool: ...

    async def size(self, tenant: TenantId, blob_hash: str) -> int | None:
        """Its bytes, without reading them; None when it is not there."""
        ...

    async def delete(self, tenant: TenantId, blob_hash: str, *, older_than_s: float) -> None:
        """Idempotent. A blob that was stored (also: stored again) since then stays: somebody is about to name it."""
        ...

    def hashes(self, tenant: TenantId, *, older_than_s: float = 0) -> AsyncIterator[str]:
        """The tenant's hashes stored at least that long ago, in any order: for sweeping orphans.

        A blob is stored before the row that names it, so a sweep must leave young ones alone.
        """
        ...

    async def clean_up(self, *, older_than_s: float) -> int:
        """Removes what interrupted writes of any tenant left behind that long ago; returns how many pieces went."""
        ...

    async def check(self) -> Mapping[str, Any]:
        """Says where the store is. Raises `Unavailable` when it cannot be written."""
        ...

    async def close(self) -> None: ...
