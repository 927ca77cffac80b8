"""A stream becomes a local file with a known hash: the first step of storing, in every backend."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from semantik.engines.blobs.base import BlobRef
from semantik.kit.concurrency import closing, run_cpu
from semantik.kit.errors import NO_ROOM, DiskFull, TooLarge, Unavailable


class BlobsUnwritable(Unavailable):
    code = "blobs_unwritable"
    default_hint = "See whether the disk of the data folder is mounted read-only or failing, and whether this user may write there."


@dataclass(frozen=True, slots=True)
class Spooled:
    path: Path
    ref: BlobRef


@asynccontextmanager
async def spooled(folder: Path, pieces: AsyncIterable[bytes], *, max_bytes: int | None) -> AsyncIterator[Spooled]:
    """Writes `pieces` to a new file in `folder`, durable, and removes it at the end unless somebody moved it.

    An error of `pieces` is the source's and passes as it is; only our own writes become `DiskFull` and `BlobsUnwritable`.
    """
    digest = hashlib.sha256()
    size = 0
    path = folder / secrets.token_hex(16)
    with writing():
        file = open(path, "xb")  # noqa: SIM115 - closed below, whatever the pieces do
    try:
        try:
            async with closing(pieces):
                async for piece in pieces:
                    size += len(piece)
                    if max_bytes is not None and size > max_bytes:
                        raise TooLarge(f"the file is larger than {max_bytes:,} bytes", max_bytes=max_bytes)
                    with writing():
                        await run_cpu(_append, file.fileno(), digest, piece)
            with writing():
                await run_cpu(os.fsync, file.fileno())
        finally:
            file.close()
        yield Spooled(path, BlobRef(hash=digest.hexdigest(), size_bytes=size))
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise DiskFull("the file cannot be stored: no space left on the disk of the data folder") from error
        raise BlobsUnwritable(f"the file cannot be stored: {error.strerror}") from error


def remove_strays(folder: Path, *, older_than_s: float) -> int:
    """Removes what a crash left in `folder`; young files belong to somebody, perhaps to another process. Returns how many went."""
    latest, removed = time.time() - older_than_s, 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                stray = entry.stat().st_mtime <= latest
            except FileNotFoundError:
                continue
            if stray:
                Path(entry.path).unlink(missing_ok=True)
                removed += 1
    return removed


def _append(descriptor: int, digest: hashlib._Hash, piece: bytes) -> None:
    digest.update(piece)
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]
