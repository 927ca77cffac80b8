"""The port to the store of originals and extracted texts: content-addressed, tenant-bound, streamed both ways."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from semantik.kit.errors import NotFound
from semantik.kit.ids import TenantId


class BlobMissing(NotFound):
    code = "blob_missing"
    title = "The stored file is missing"
    default_hint = "Sync its source again to store it anew."


@dataclass(frozen=True, slots=True)
class BlobRef:
    """`hash` = SHA-256 of the bytes, lower-case hex."""

    hash: str
    size_bytes: int


class BlobStore(Protocol):
    async def put(self, tenant: TenantId, pieces: AsyncIterable[bytes], *, max_bytes: int | None = None) -> BlobRef:
        """Stores the bytes under their hash, durable when it returns; equal bytes are stored once.

        Raises `kit.errors.TooLarge` past `max_bytes` and `kit.database.DiskFull`; nothing half-written stays.
        """
        ...

    def read(self, tenant: TenantId, blob_hash: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Bytes [start, end) in pieces. Raises `BlobMissing`."""
        ...

    async def local_path(self, tenant: TenantId, blob_hash: str) -> Path:
        """A readable local file with the bytes, for child processes; a remote store keeps a cache. Raises `BlobMissing`."""
        ...

    async def exists(self, tenant: TenantId, blob_hash: str) -> bool: ...

    async def delete(self, tenant: TenantId, blob_hash: str) -> None:
        """Idempotent."""
        ...

    def hashes(self, tenant: TenantId, *, older_than_s: float = 0) -> AsyncIterator[str]:
        """The tenant's hashes stored at least that long ago, in any order: for sweeping orphans.

        A blob is stored before the row that names it, so a sweep must leave young ones alone.
        """
        ...

    async def check(self) -> None:
        """Raises `Unavailable` when the store cannot be written."""
        ...

    async def close(self) -> None: ...
