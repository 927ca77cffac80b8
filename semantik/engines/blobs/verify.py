"""Bytes are believed only when they hash to their name."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator

from semantik.engines.blobs.base import BlobDamaged, BlobStore
from semantik.kit.concurrency import closing, run_cpu
from semantik.kit.ids import TenantId


async def verified(pieces: AsyncIterator[bytes], blob_hash: str) -> AsyncGenerator[bytes, None]:
    """Passes the pieces of a whole blob on, the last one only once all fit: a reader that knows the length sees a damaged blob end early.

    Raises `BlobDamaged`.
    """
    digest = hashlib.sha256()
    held = b""
    async with closing(pieces):
        async for piece in pieces:
            await run_cpu(digest.update, piece)
            if held:
                yield held
            held = piece
    if digest.hexdigest() != blob_hash:
        raise damaged(blob_hash)
    if held:
        yield held


async def read_through(store: BlobStore, tenant: TenantId, blob_hash: str) -> None:
    """Reads a stored file for nothing but its hash. Raises `BlobMissing` or `BlobDamaged`."""
    async for _ in store.read(tenant, blob_hash):
        pass


def damaged(blob_hash: str) -> BlobDamaged:
    return BlobDamaged(f"the stored file {blob_hash[:12]} is damaged: its bytes no longer have that hash")
