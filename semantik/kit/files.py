"""Files read piece by piece beside the loop, and files that appear under their name whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from semantik.kit.concurrency import run_cpu
from semantik.kit.errors import NO_ROOM, Conflict, DiskFull, InvalidInput

# Large enough that the trip to a thread and back costs nothing beside it, small enough to hold for each of many readers.
PIECE_BYTES = 1024 * 1024


class Readable(Protocol):
    """An open file, be it on disk or spooled."""

    def read(self, size: int, /) -> bytes: ...


class FileInTheWay(Conflict):
    code = "file_in_the_way"
    title = "There is a file of that name"


class FileUnusable(InvalidInput):
    code = "file_unusable"
    title = "The file cannot be read or written"
    default_hint = "Check the path, and what this user may do there."


@contextmanager
def appearing(target: Path) -> Iterator[BinaryIO]:
    """A file that gets its name only when the block has ended well, durable by then; mode 0600.

    Written beside as `<name>.partial`, which a killed process leaves and the next one takes over. Raises `FileInTheWay` when the
    name is taken, now or at the end, `FileUnusable` when the folder is not to be written, `DiskFull` when there is no room.
    """
    partial = target.with_name(target.name + ".partial")
    try:
        if target.exists():
            raise FileInTheWay(f"{target} exists already", hint="Name another file, or move that one away.")
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
        except OSError as error:
            if error.errno not in (*NO_ROOM, errno.EFBIG):
                raise
            raise DiskFull(f"{target} cannot be written whole: {error.strerror}", hint="Free some space. Nothing of it is left.") from error
        finally:
            partial.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


async def pieces_of(path: Path, *, start: int = 0, most: int | None = None) -> AsyncIterator[bytes]:
    """The file from `start` to its end, or `most` bytes of it, as `pieces` gives them."""
    with open(path, "rb") as file:
        file.seek(start)
        async for piece in pieces(file, most=most):
            yield piece


async def pieces(file: Readable, *, most: int | None = None) -> AsyncIterator[bytes]:
    """The file from where it stands to its end, or its next `most` bytes, read on a thread. No piece is empty."""
    left = most
    while left is None or left > 0:
        piece = await run_cpu(file.read, PIECE_BYTES if left is None else min(left, PIECE_BYTES))
        if not piece:
            return
        left = None if left is None else left - len(piece)
        yield piece


@contextmanager
def opened(source: Path) -> Iterator[BinaryIO]:
    try:
        file = open(source, "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise FileUnusable(f"{source} cannot be read: {error.strerror}") from error
    with file:
        if not file.seekable():
            raise FileUnusable(f"{source} cannot be read: it is no file but a stream", hint="Write it into a file first.")
        yield file


def _name(partial: Path, target: Path) -> None:
    """By a link, because a rename would replace a file that came meanwhile."""
    try:
        os.link(partial, target)
    except FileExistsError:
        raise FileInTheWay(f"{target} exists already", hint="Name another file, or move that one away.") from None
    except OSError:
        # A file system without hard links.
        os.rename(partial, target)
