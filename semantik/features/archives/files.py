"""Stored files on their way into an archive and out of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator

from semantik.engines.blobs.base import BlobDamaged, BlobMissing, BlobStore
from semantik.kit.archive import Archive, Framer, Member
from semantik.kit.concurrency import closing, run_cpu, threaded
from semantik.kit.files import pieces
from semantik.kit.ids import TenantId


async def packed(framer: Framer, blobs: BlobStore, tenant: TenantId, blob_hash: str, name: str) -> AsyncIterator[bytes]:
    """The stored file as a member. Raises `BlobMissing` before the first byte, `BlobDamaged` after the last: the member is there then."""
    async with blobs.local(tenant, blob_hash) as path:
        try:
            file = open(path, "rb")  # noqa: SIM115 - closed below
        except FileNotFoundError as error:
            raise BlobMissing(f"the stored file {blob_hash[:12]} is missing") from error
        with file:
            size, digest = os.fstat(file.fileno()).st_size, hashlib.sha256()
            yield framer.head(name, size)
            async for piece in pieces(file, most=size):
                await run_cpu(digest.update, piece)
                yield framer.body(piece)
            assert file.tell() == size, "a stored file never grows shorter"
            yield framer.pad(size)
    if digest.hexdigest() != blob_hash:
        raise BlobDamaged(f"the stored file {blob_hash[:12]} is damaged")


async def unpacked(archive: Archive, member: Member, blobs: BlobStore, tenant: TenantId, blob_hash: str) -> bool:
    """Stores the member under its hash; False when its bytes are not those of its name, and then nothing is stored."""
    digest = hashlib.sha256()
    async with closing(threaded(archive.pieces(member))) as body:
        async for piece in body:
            await run_cpu(digest.update, piece)
    if digest.hexdigest() != blob_hash:
        return False
    await blobs.put(tenant, threaded(archive.pieces(member)))
    return True
