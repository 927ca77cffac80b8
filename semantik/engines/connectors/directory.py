"""A folder on this machine: recursive, include and exclude globs, never through a symlink that leaves the root."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from re import Pattern
from re import compile as compile_pattern
from typing import Any, ClassVar

from wcmatch import glob as wildcards

from semantik.engines.connectors.base import BadSourceSettings, Connector, Item, ItemGone, SourceUnreachable
from semantik.kit.concurrency import run_cpu
from semantik.kit.files import pieces

_BATCH = 256

# Version control, caches and editor litter that nobody means when naming a folder.
DEFAULT_EXCLUDE = (
    "**/.git/**", "**/.hg/**", "**/.svn/**", "**/node_modules/**", "**/__pycache__/**", "**/.venv/**",
    "**/.DS_Store", "**/Thumbs.db", "**/~$*", "**/.~lock.*",
)  # fmt: skip


class DirectoryConnector(Connector):
    kind: ClassVar[str] = "directory"
    settings_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "title": "Folder",
        "required": ["path"],
        "additionalProperties": False,
        "properties": {
            "path": {"type": "string", "title": "Folder", "description": "Absolute path on the machine that runs Semantik."},
            "include": {
                "type": "array", "items": {"type": "string"}, "default": [], "title": "Include",
                "description": "Globs relative to the folder, ** crosses folders. Empty: everything.",
            },
            "exclude": {
                "type": "array", "items": {"type": "string"}, "default": list(DEFAULT_EXCLUDE), "title": "Exclude",
                "description": "Globs that are left out, also when included above.",
            },
        },
    }  # fmt: skip

    def __init__(self, root: Path, include: list[str], exclude: list[str]) -> None:
        self.root = root
        self._include = [glob(pattern) for pattern in include]
        self._exclude = [glob(pattern) for pattern in exclude]

    async def list(self, after: str | None = None) -> AsyncIterator[Item]:
        walk = self._walk()
        while batch := await run_cpu(_take, walk, _BATCH):
            for item in batch:
                if after is None or item.path > after:
                    yield item

    async def fetch(self, item: Item) -> AsyncIterator[bytes]:
        path = self._inside(item.path)
        try:
            # O_NONBLOCK: a named pipe that took the file's place must not hang the worker.
            # O_NOFOLLOW: the path has no links left, so one that is met now was put there meanwhile.
            descriptor = await run_cpu(os.open, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
                raise ItemGone(item.path) from None
            raise
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode) or not self._holds(file.fileno()):
                raise ItemGone(item.path)
            async for piece in pieces(file):
                yield piece

    async def close(self) -> None:
        """Nothing is held open."""

    def _inside(self, relative: str) -> Path:
        path = Path(os.path.realpath(self.root / os.fsdecode(relative.encode("utf-8", "surrogateescape"))))
        if not path.is_relative_to(self.root):
            raise ItemGone(relative)
        return path

    def _holds(self, descriptor: int) -> bool:
        """Whether an open file lies below the root, whatever became of the folders on its way since the path was checked. Linux only."""
        place = f"/proc/self/fd/{descriptor}"
        return not os.path.exists(place) or Path(os.path.realpath(place)).is_relative_to(self.root)

    def _walk(self) -> Iterator[Item]:
        if not self.root.is_dir():
            raise SourceUnreachable(f"the folder {self.root} is not there", hint="Mount or restore it, or change the source's path.")
        yield from self._folder("")

    def _folder(self, relative: str) -> Iterator[Item]:
        """Depth first, so that paths come in ascending order: a folder sorts as its name with a slash."""
        try:
            with os.scandir(self.root / relative) as entries:
                listed = sorted(((entry.name + "/" if self._is_folder(entry) else entry.name), entry) for entry in entries)
        except OSError as error:
            if not relative:
                raise SourceUnreachable(f"the folder {self.root} cannot be read: {error.strerror}") from error
            if isinstance(error, FileNotFoundError | NotADirectoryError):
                return
            shown = _shown(relative.rstrip("/"))
            yield Item(
                path=shown,
                name=shown.rpartition("/")[2],
                problem=("unreadable", f"the folder cannot be read: {error.strerror}"),
            )
            return
        for name, entry in listed:
            path = relative + name
            if any(pattern.match(path) for pattern in self._exclude):
                continue
            if name.endswith("/"):
                yield from self._folder(path)
            elif self._include and not any(pattern.match(path) for pattern in self._include):
                continue
            elif (item := self._item(path, entry)) is not None:
                yield item

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        # A symlinked folder is never entered: within the root it would be listed twice, outside it must not be read.
        try:
            return entry.is_dir(follow_symlinks=False)
        except OSError:
            return False

    def _item(self, path: str, entry: os.DirEntry[str]) -> Item | None:
        shown = _shown(path)
        name = shown.rpartition("/")[2]
        try:
            if entry.is_symlink():
                target = Path(os.path.realpath(entry.path))
                if not target.is_relative_to(self.root):
                    reason = "the link leads out of the source's folder and was not followed"
                    return Item(path=shown, name=name, problem=("link_outside", reason))
                if target.is_dir():
                    # What it leads to is listed in its own place.
                    return None
            status = entry.stat()
        except FileNotFoundError:
            return Item(path=shown, name=name, problem=("unreadable", "the link leads nowhere")) if entry.is_symlink() else None
        except OSError as error:
            return Item(path=shown, name=name, problem=("unreadable", f"the file cannot be read: {error.strerror}"))
        if not stat.S_ISREG(status.st_mode):
            return Item(path=shown, name=name, problem=("not_a_file", "it is a pipe, a socket or a device and was not read"))
        if shown != path:
            return Item(path=shown, name=name, problem=("unreadable", "the file's name is not valid UTF-8; rename it"))
        return Item(
            path=path,
            name=name,
            size_bytes=status.st_size,
            signature=f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}",
            modified_at=datetime.fromtimestamp(status.st_mtime, UTC),
        )


def _shown(path: str) -> str:
    """A path as text: bytes that are no UTF-8 become `\\xff`, so that two such names stay two."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


async def open_directory(settings: Mapping[str, Any], credentials: bytes | None) -> DirectoryConnector:
    """Raises `BadSourceSettings`; whether the path may be used at all is decided by `sources.service`."""
    path = settings.get("path")
    if not isinstance(path, str) or not os.path.isabs(path):
        raise BadSourceSettings(f"the folder {path!r} is not an absolute path", hint="Write the whole path, from / on.")
    exclude = settings.get("exclude", list(DEFAULT_EXCLUDE))
    return DirectoryConnector(Path(os.path.realpath(path)), list(settings.get("include") or []), list(exclude))


def glob(pattern: str) -> Pattern[str]:
    """A path glob as a regular expression: `*` stays within a folder, `**/` is any folders, also none; a bare name matches anywhere."""
    pattern = pattern.lstrip("/")
    if "/" not in pattern:
        pattern = "**/" + pattern
    (expression,), _ = wildcards.translate(pattern, flags=wildcards.GLOBSTAR | wildcards.DOTGLOB | wildcards.BRACE)
    return compile_pattern(expression)


def _take(walk: Iterator[Item], count: int) -> list[Item]:
    batch = []
    for item in walk:
        batch.append(item)
        if len(batch) == count:
            break
    return batch
