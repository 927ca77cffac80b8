"""Temporary folders that end with their work; what a killed process left is taken away by the next one.

They hold text of documents, which must not lie about after a crash. Each process has one folder of the system's temporary
folder to itself and holds a lock on it that dies with the process; the folder goes last, so that a removal that was cut
off is done again.
"""

from __future__ import annotations

import asyncio
import atexit
import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from semantik.kit import logs
from semantik.kit.concurrency import run_cpu

log = logs.get(__name__)

_PREFIX = "semantik-work-"

_opening = threading.Lock()
# (process, its folder, the descriptor that holds the lock): a process that was forked off makes one of its own.
_mine: tuple[int, Path, int] | None = None


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty folder, readable by this user alone, gone with all it holds when the block ends. Raises `OSError`."""
    path = _make()
    try:
        yield path
    finally:
        _remove(path)


@asynccontextmanager
async def temporary_folder_on_thread() -> AsyncIterator[Path]:
    """`temporary_folder`, made and removed on a thread."""
    making = asyncio.ensure_future(run_cpu(_make))
    try:
        path = await asyncio.shield(making)
    except asyncio.CancelledError:
        # The thread goes on; what it makes goes again.
        making.add_done_callback(lambda made: None if made.cancelled() or made.exception() else _remove(made.result()))
        raise
    try:
        yield path
    finally:
        await asyncio.shield(run_cpu(_remove, path))


def sweep() -> None:
    """Takes away what processes of this user that are gone have left. Raises nothing: it is no work that anybody waits for."""
    with suppress(OSError):
        for path in list(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")):
            try:
                _sweep(path)
            except OSError as error:
                log.info("a temporary folder could not be looked at", error=error.strerror)


def _sweep(path: Path) -> None:
    if path.is_symlink() or path.stat().st_uid != os.geteuid():
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if _taken(descriptor):
            _remove(path)
    finally:
        os.close(descriptor)


def _make() -> Path:
    return Path(tempfile.mkdtemp(dir=_of_this_process()))


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _of_this_process() -> Path:
    global _mine
    with _opening:
        if _mine is None or _mine[0] != os.getpid() or not _mine[1].is_dir():
            if _mine is not None:
                # Inherited by a fork, or of a folder that somebody took away.
                os.close(_mine[2])
                _mine = None
            _mine = (os.getpid(), *_open())
            atexit.register(_leave, *_mine)
        return _mine[1]


def _open() -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # Swept by another process between the two calls.
        try:
            # Swept between those two, it is another folder by now, or none.
            if _taken(descriptor) and _same(path, descriptor):
                return path, descriptor
        except OSError:
            os.close(descriptor)
            _remove(path)
            raise
        os.close(descriptor)


def _same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _leave(process: int, path: Path, descriptor: int) -> None:
    if process == os.getpid() and _mine is not None and _mine[2] == descriptor:
        _remove(path)
        os.close(descriptor)
