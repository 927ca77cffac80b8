"""Whether SQLite's file is still the one that was opened, and its folder can be written.

SQLite goes on with a file that was deleted under it: it acknowledges what is gone as soon as the process ends.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from sqlalchemy.engine import make_url

from semantik.kit.database_errors import DatabaseGone, DatabaseUnwritable
from semantik.kit.errors import NO_ROOM, DiskFull


class DatabaseFile:
    """Remembers which file lies at `path` when it is made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = _identity(path)

    @classmethod
    def of(cls, url: str) -> DatabaseFile | None:
        """The file of a SQLite address; None for a server."""
        parsed = make_url(url)
        return cls(Path(str(parsed.database))) if parsed.get_backend_name() == "sqlite" else None

    def check(self) -> None:
        """Raises `DatabaseGone` when another file lies there now, or none. Costs one stat."""
        found = _identity(self._path)
        if found == self._opened or self._opened is None:
            return
        what = "is gone" if found is None else "was replaced by another one"
        raise DatabaseGone(f"the database file {self._path.name} {what} under this process: what is written now would be lost")

    def check_writable(self) -> None:
        """Raises `DatabaseUnwritable` or `DiskFull`. Writes a byte beside the database, into a file without a name."""
        try:
            with tempfile.TemporaryFile(dir=self._path.parent) as probe:
                probe.write(b"\0")
        except OSError as error:
            if error.errno in NO_ROOM:
                raise DiskFull("the database cannot be written: no space left on its disk") from error
            raise DatabaseUnwritable(f"the database cannot be written: {error.strerror}") from error


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
