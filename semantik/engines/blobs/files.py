"""Originals and texts as files: <root>/<tenant>/<first two of the hash>/<hash>, written beside and renamed into place."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from semantik.engines.blobs.base import BlobMissing, BlobRef, BlobStore
from semantik.kit.concurrency import run_cpu
from semantik.kit.database import DiskFull
from semantik.kit.errors import TooLarge, Unavailable
from semantik.kit.ids import TenantId

_PIECE_BYTES = 1024 * 1024
_STRAY_S = 3600.0


class BlobsUnwritable(Unavailable):
    code = "blobs_unwritable"


class FileBlobs(BlobStore):
    """A rename is the only way a file gets its name, so a crash leaves at most a stray in `incoming/`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        # Other processes may be writing here; nobody's piece is an hour on its way.
        for stray in self._incoming.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - stray.stat().st_mtime > _STRAY_S:
                    stray.unlink()

    async def put(self, tenant: TenantId, pieces: AsyncIterable[bytes], *, max_bytes: int | None = None) -> BlobRef:
        digest = hashlib.sha256()
        size = 0
        temporary = self._incoming / secrets.token_hex(16)
        with _writing():
            file = open(temporary, "xb")  # noqa: SIM115 - closed below, whatever the pieces do
        try:
            # An error of `pieces` is the source's and passes as it is; only our own writes become ours.
            async for piece in pieces:
                size += len(piece)
                if max_bytes is not None and size > max_bytes:
                    raise TooLarge(f"the file is larger than {max_bytes:,} bytes", max_bytes=max_bytes)
                with _writing():
                    await run_cpu(_append, file.fileno(), digest, piece)
            with _writing():
                await run_cpu(os.fsync, file.fileno())
                await run_cpu(_move_into_place, temporary, self._path(tenant, digest.hexdigest()))
        finally:
            file.close()
            temporary.unlink(missing_ok=True)
        return BlobRef(hash=digest.hexdigest(), size_bytes=size)

    async def read(self, tenant: TenantId, blob_hash: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        path = await self.local_path(tenant, blob_hash)
        with open(path, "rb") as file:
            file.seek(start)
            left = None if end is None else end - start
            while left is None or left > 0:
                piece = await run_cpu(file.read, _PIECE_BYTES if left is None else min(left, _PIECE_BYTES))
                if not piece:
                    return
                left = None if left is None else left - len(piece)
                yield piece

    async def local_path(self, tenant: TenantId, blob_hash: str) -> Path:
        path = self._path(tenant, blob_hash)
        if not path.is_file():
            raise BlobMissing(f"the stored file {blob_hash[:12]} is missing")
        return path

    async def exists(self, tenant: TenantId, blob_hash: str) -> bool:
        return self._path(tenant, blob_hash).is_file()

    async def delete(self, tenant: TenantId, blob_hash: str) -> None:
        self._path(tenant, blob_hash).unlink(missing_ok=True)

    async def hashes(self, tenant: TenantId, *, older_than_s: float = 0) -> AsyncIterator[str]:
        folder = self._root / tenant
        latest = time.time() - older_than_s
        for shard in sorted(folder.iterdir()) if folder.is_dir() else ():
            for name in await run_cpu(_stored_before, shard, latest):
                yield name

    async def check(self) -> None:
        probe = self._incoming / f"probe-{secrets.token_hex(4)}"
        try:
            probe.write_bytes(b"ok")
        except OSError as error:
            raise BlobsUnwritable(f"the store of originals cannot be written: {error.strerror}") from error
        finally:
            probe.unlink(missing_ok=True)

    async def close(self) -> None:
        """Nothing is held open."""

    def _path(self, tenant: TenantId, blob_hash: str) -> Path:
        # Both come from our own rows; the assertion keeps a mistake elsewhere from becoming a path traversal.
        assert tenant.replace("-", "").isalnum() and blob_hash.isalnum(), "blob names are plain ids and hex"
        return self._root / tenant / blob_hash[:2] / blob_hash


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull("the file cannot be stored: no space left on the disk of the data folder") from error
        raise BlobsUnwritable(f"the file cannot be stored: {error.strerror}") from error


def _append(descriptor: int, digest: hashlib._Hash, piece: bytes) -> None:
    digest.update(piece)
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]


def _stored_before(folder: Path, latest: float) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.stat().st_mtime <= latest]


def _move_into_place(temporary: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.replace(temporary, path)
    # The name must survive a power cut too, or a row could point at nothing.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
