"""Temporary folders that end with their work; what a killed process left is taken away by the next one.

They hold text of documents, which must not lie about after a crash. Each process has one folder of the system's temporary
folder to itself, marked by a lock that dies with it.
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
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from semantik.kit.concurrency import run_cpu

_PREFIX = "semantik-work-"
_LOCK = ".owner"

_opening = threading.Lock()
# (process, its folder, the open lock): a process that was forked off makes one of its own.
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
async def temporary_folder_beside() -> AsyncIterator[Path]:
    """`temporary_folder`, made and removed on a thread."""
    path = await run_cpu(_make)
    try:
        yield path
    finally:
        await asyncio.shield(run_cpu(_remove, path))


def _make() -> Path:
    return Path(tempfile.mkdtemp(dir=_of_this_process()))


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _of_this_process() -> Path:
    global _mine
    with _opening:
        if _mine is None or _mine[0] != os.getpid() or not _mine[1].is_dir():
            _sweep()
            path, lock = _open()
            _mine = (os.getpid(), path, lock)
            atexit.register(_leave, *_mine)
        return _mine[1]


def _open() -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # Another process may have swept it away between the three calls.
        if _taken(lock) and (path / _LOCK).exists():
            return path, lock
        os.close(lock)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _leave(process: int, path: Path, lock: int) -> None:
    if process == os.getpid():
        _remove(path)
        os.close(lock)


def _sweep() -> None:
    """Takes away what processes of this user that are gone have left."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if path.is_symlink() or path.stat().st_uid != os.geteuid():
                continue
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            # Gone meanwhile, or about to be locked by the process that has just made it.
            continue
        try:
            if _taken(lock):
                _remove(path)
        finally:
            os.close(lock)
