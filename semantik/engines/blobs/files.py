"""Originals and texts as files: <root>/<tenant>/<first two of the hash>/<hash>, written beside and renamed into place.

Several processes, and several hosts on a shared folder, may use one root: a name appears whole or not at all.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from semantik.engines.blobs.base import STRAY_AGE_S, BlobMissing, BlobRef, BlobStore
from semantik.engines.blobs.spool import BlobsUnwritable, remove_strays, spooled, writing
from semantik.engines.blobs.verify import verified
from semantik.kit import files
from semantik.kit.concurrency import closing, run_cpu
from semantik.kit.ids import TenantId


class FileBlobs(BlobStore):
    """A rename is the only way a file gets its name, so a crash leaves at most a stray in `incoming/`.

    `read_only`: nothing is made or removed when it opens; who opens it so calls no method that writes.
    """

    def __init__(self, root: Path, *, read_only: bool = False) -> None:
        self._root = root
        self._incoming = root / "incoming"
        if read_only:
            return
        with writing():
            self._incoming.mkdir(parents=True, exist_ok=True)
            remove_strays(self._incoming, older_than_s=STRAY_AGE_S)

    async def put(self, tenant: TenantId, pieces: AsyncIterable[bytes], *, max_bytes: int | None = None) -> BlobRef:
        async with spooled(self._incoming, pieces, max_bytes=max_bytes) as new:
            with writing():
                await run_cpu(_move_into_place, new.path, self._path(tenant, new.ref.hash))
            return new.ref

    async def read(self, tenant: TenantId, blob_hash: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        pieces = files.pieces_of(self._present(tenant, blob_hash), start=start, most=None if end is None else end - start)
        async with closing(verified(pieces, blob_hash) if start == 0 and end is None else pieces) as given:
            async for piece in given:
                yield piece

    @asynccontextmanager
    async def local(self, tenant: TenantId, blob_hash: str) -> AsyncIterator[Path]:
        yield self._present(tenant, blob_hash)

    async def exists(self, tenant: TenantId, blob_hash: str) -> bool:
        return await self.size(tenant, blob_hash) is not None

    async def size(self, tenant: TenantId, blob_hash: str) -> int | None:
        try:
            return self._path(tenant, blob_hash).stat().st_size
        except FileNotFoundError:
            return None

    async def delete(self, tenant: TenantId, blob_hash: str, *, older_than_s: float) -> None:
        await run_cpu(_take_away, self._path(tenant, blob_hash), self._incoming, time.time() - older_than_s)

    async def hashes(self, tenant: TenantId, *, older_than_s: float = 0) -> AsyncIterator[str]:
        folder = self._root / tenant
        latest = time.time() - older_than_s
        for shard in sorted(folder.iterdir()) if folder.is_dir() else ():
            for name in await run_cpu(_stored_before, shard, latest):
                yield name

    async def clean_up(self, *, older_than_s: float) -> int:
        return await run_cpu(remove_strays, self._incoming, older_than_s=older_than_s)

    async def check(self) -> Mapping[str, Any]:
        probe = self._incoming / f"probe-{secrets.token_hex(4)}"
        try:
            probe.write_bytes(b"ok")
        except OSError as error:
            raise BlobsUnwritable(f"the store of originals cannot be written: {error.strerror}") from error
        finally:
            probe.unlink(missing_ok=True)
        return {"backend": "files"}

    async def close(self) -> None:
        """Nothing is held open."""

    def _present(self, tenant: TenantId, blob_hash: str) -> Path:
        path = self._path(tenant, blob_hash)
        if not path.is_file():
            raise BlobMissing(f"the stored file {blob_hash[:12]} is missing")
        return path

    def _path(self, tenant: TenantId, blob_hash: str) -> Path:
        # Both come from our own rows; the assertion keeps a mistake elsewhere from becoming a path traversal.
        assert tenant.replace("-", "").isalnum() and blob_hash.isalnum(), "blob names are plain ids and hex"
        return self._root / tenant / blob_hash[:2] / blob_hash


def _stored_before(folder: Path, latest: float) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.stat().st_mtime <= latest]


def _take_away(path: Path, aside: Path, latest: float) -> None:
    """Removes a file that was stored until then, even where an equal one takes its place meanwhile."""
    with suppress(FileNotFoundError):
        if path.stat().st_mtime > latest:
            return
        taken = aside / secrets.token_hex(16)
        os.replace(path, taken)
        if taken.stat().st_mtime > latest:
            os.replace(taken, path)
        else:
            taken.unlink()


def _move_into_place(temporary: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.replace(temporary, path)
    # The name must survive a power cut too, or a row could point at nothing.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
