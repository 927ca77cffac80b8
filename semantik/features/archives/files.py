"""Files that appear whole or not at all, and stored files on their way into an archive and out of it."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from semantik.engines.blobs.base import BlobDamaged, BlobMissing, BlobStore
from semantik.kit.archive import Archive, Framer, Member
from semantik.kit.concurrency import run_cpu
from semantik.kit.errors import Conflict, InvalidInput
from semantik.kit.ids import TenantId

_PIECE_BYTES = 1024 * 1024


class FileInTheWay(Conflict):
    code = "file_in_the_way"
    title = "There is a file of that name"


class FileUnusable(InvalidInput):
    code = "file_unusable"
    title = "The file cannot be read or written"


@contextmanager
def appearing(target: Path) -> Iterator[BinaryIO]:
    """A file that gets its name only when the block has ended well, durable by then; mode 0600.

    Written beside as `<name>.partial`, which a killed process leaves and the next one takes over. Raises `FileInTheWay` when the
    name is taken, now or at the end, `FileUnusable` when the folder is not to be written.
    """
    partial = target.with_name(target.name + ".partial")
    if target.exists():
        raise FileInTheWay(f"{target} exists already", hint="Name another file, or move that one away.")
    try:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FileUnusable(f"{partial} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileInTheWay(f"another process is writing {partial}", hint="Wait for it, or name another file.") from None
        file.truncate()
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            _name(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def opened(source: Path) -> Iterator[BinaryIO]:
    try:
        file = open(source, "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise FileUnusable(f"{source} cannot be read: {error.strerror}") from error
    with file:
        yield file


async def threaded(pieces: Generator[bytes, None, None]) -> AsyncGenerator[bytes, None]:
    """What a blocking generator gives, one step of it at a time on a thread; closed when nobody wants more."""
    step: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            step = asyncio.create_task(run_cpu(next, pieces, None))
            # Shielded: a thread cannot be cancelled, and a generator not be closed while it runs.
            piece = await asyncio.shield(step)
            if piece is None:
                return
            yield piece
    finally:
        if step is not None:
            await asyncio.wait({step})
        await run_cpu(pieces.close)


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
            left = size
            while left:
                piece = await run_cpu(file.read, min(left, _PIECE_BYTES))
                assert piece, "a stored file never grows shorter"
                left -= len(piece)
                await run_cpu(digest.update, piece)
                yield framer.body(piece)
            yield framer.pad(size)
    if digest.hexdigest() != blob_hash:
        raise BlobDamaged(f"the stored file {blob_hash[:12]} is damaged")


async def unpacked(archive: Archive, member: Member, blobs: BlobStore, tenant: TenantId, blob_hash: str) -> bool:
    """Stores the member under its hash; False when its bytes are not those of its name, and then nothing is stored."""
    digest = hashlib.sha256()
    for piece in archive.pieces(member):
        await run_cpu(digest.update, piece)
    if digest.hexdigest() != blob_hash:
        return False

    async def pieces() -> AsyncIterator[bytes]:
        for piece in archive.pieces(member):
            yield piece

    await blobs.put(tenant, pieces())
    return True


def _name(partial: Path, target: Path) -> None:
    """By a link, because a rename would replace a file that came meanwhile."""
    try:
        os.link(partial, target)
    except FileExistsError:
        raise FileInTheWay(f"{target} exists already", hint="Name another file, or move that one away.") from None
    except OSError:
        # A file system without hard links.
        os.rename(partial, target)
