"""A data folder has one owner at a time, or is shared by the processes of a server: a lock held by the process.

The owner leaves its pid and address for whoever comes second. Those who share come and go; an owner and they exclude each other.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from semantik.kit.errors import Misconfigured, SemantikError


class DataDirBusy(SemantikError):
    code = "data_dir_busy"
    status = 409
    title = "The data folder is in use"


class DataDirUnusable(Misconfigured):
    code = "data_dir_unusable"
    title = "The data folder cannot be used"


@dataclass(frozen=True, slots=True)
class Owner:
    """`token` is the owner's bearer: whoever can read the lock file (mode 0600) is the user who runs the process.

    Who keeps others out by `held` leaves no note: then all three are None.
    """

    pid: int | None
    address: str | None
    token: str | None = field(default=None, repr=False)


class Ownership:
    """Holds the lock until `release` or the end of the process, however it ends."""

    def __init__(self, file: IO[str], *, alone: bool = True) -> None:
        self._file = file
        self._alone = alone
        self.token = secrets.token_urlsafe(32)

    def announce(self, address: str) -> None:
        """Writes down where this process answers, for the command line to find. Of several that share, none is the one to ask."""
        if not self._alone:
            return
        self._file.seek(0)
        self._file.truncate()
        json.dump({"pid": os.getpid(), "address": address, "token": self.token}, self._file)
        self._file.flush()

    def release(self) -> None:
        if self._alone:
            # A disk that cannot be written any more keeps the note; the lock goes all the same.
            with contextlib.suppress(OSError):
                self._file.seek(0)
                self._file.truncate()
        self._file.close()


def claim(data_dir: Path) -> Ownership:
    """Makes the folder if needed (mode 0700) and takes it over.

    Raises `DataDirBusy` with the pid and address of the present owner, `DataDirUnusable` when it cannot be written.
    """
    file = _locked(data_dir, fcntl.LOCK_EX)
    file.seek(0)
    file.truncate()
    json.dump({"pid": os.getpid(), "address": None}, file)
    file.flush()
    return Ownership(file)


def share(data_dir: Path) -> Ownership:
    """Joins the processes of a server that use the folder side by side: stored files, models, keys. Raises as `claim` does."""
    return Ownership(_locked(data_dir, fcntl.LOCK_SH), alone=False)


@contextlib.contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Keeps everybody else out of a folder that is only read, and leaves not even its lock file changed.

    A folder that no process ever owned has no lock file, and nobody to keep out. Raises `DataDirBusy`.
    """
    path = data_dir / "owner.lock"
    if not path.exists():
        yield
        return
    with open(path, encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(data_dir) from None
        yield


def _locked(data_dir: Path, kind: int) -> IO[str]:
    path = data_dir / "owner.lock"
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        file = os.fdopen(descriptor, "r+", encoding="utf-8")
    except (FileExistsError, NotADirectoryError) as error:
        raise DataDirUnusable(
            f"the data folder {data_dir} cannot be made: a file is in its way", hint="Set SEMANTIK_DATA_DIR to a folder."
        ) from error
    except OSError as error:
        raise DataDirUnusable(
            f"the data folder {data_dir} cannot be written: {error.strerror}",
            hint="Give this user the right to write it, or set SEMANTIK_DATA_DIR to another folder.",
        ) from error
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise _busy(data_dir) from None
    return file


def _busy(data_dir: Path) -> DataDirBusy:
    owner = present_owner(data_dir)
    pid, address = (owner.pid, owner.address) if owner else (None, None)
    if owner is None:
        who = "the processes of a server"
    else:
        who = f"process {pid}" if pid is not None else "another command, such as semantik migrate"
    where = f" at {address}" if address else ""
    first = "Use that server, stop it" if owner is None or address else "Wait until it has ended"
    hint = f"{first}, or set SEMANTIK_DATA_DIR to another folder."
    return DataDirBusy(f"the data folder {data_dir} is in use by {who}{where}", hint=hint, pid=pid, address=address)


def present_owner(data_dir: Path) -> Owner | None:
    """Who holds the folder now; None when nobody does."""
    path = data_dir / "owner.lock"
    try:
        with open(path, encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                noted = json.loads(file.read() or "{}")
                return Owner(pid=noted.get("pid"), address=noted.get("address"), token=noted.get("token"))
            return None
    except (OSError, ValueError):
        return None
