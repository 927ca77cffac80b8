"""What a driver's error means, in words of ours: busy, met another change, full, read-only, damaged, away.

`Database` translates whatever leaves one of its sessions, so nobody else looks at a driver's error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from semantik.kit.errors import RESOURCE_RETRY_S, DiskFull, SemantikError, Unavailable
from semantik.kit.walls import APP_ROLE

# A pool or a server that is full empties within seconds; two transactions that met do not meet again at once.
_BUSY_RETRY_S = 5.0
_CONFLICT_RETRY_S = 1.0
# Somebody has to mount, repair or allow something first.


class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"
    default_hint = "Try again in a few seconds. `semantik doctor` says how the database is."


class DatabaseUnwritable(DatabaseUnavailable):
    """Reading may go on; what waits to be written goes on by itself as soon as it can be."""

    code = "database_unwritable"
    title = "The database cannot be written"
    default_retry_after_s = RESOURCE_RETRY_S
    default_hint = (
        "See whether the disk of the data folder is mounted read-only, failing or full, and whether this user may write there. "
        "Work goes on by itself when it can be written again."
    )


class DatabaseGone(DatabaseUnavailable):
    """The file that is open has no name any more: whatever is written into it is lost with the process."""

    code = "database_gone"
    title = "The database file is gone"
    default_hint = "Stop the process, put the data folder back or restore a backup, and start it again."


class DatabaseBusy(Unavailable):
    """No connection came free, or a statement or a lock took longer than it may."""

    code = "database_busy"
    title = "The database is busy"
    default_hint = "Try again in a few seconds."


class WriteConflict(Unavailable):
    """The transaction met another one and was rolled back whole: a deadlock, a serialization failure.

    Whoever owns the unit of work (the request, the job's runner) does it again from its start.
    """

    code = "write_conflict"
    title = "Another change came in between"
    default_hint = "Nothing of the request was kept; send it again."


class RowsChanged(SemantikError):
    """A row that was looked for and not found is there by now, or one that was found is gone: another transaction came in between.

    The request looks again and says what is true now. A job's own rows should never meet this: to a job it is a surprise.
    """

    code = "rows_changed"
    status = 409
    title = "Another change came in between"
    default_hint = "Nothing of the request was kept; send it again."


class DatabaseDamaged(Unavailable):
    code = "database_damaged"
    title = "The database file is damaged"
    default_hint = "Nothing was changed. Restore the database from a backup; the index is rebuilt from it."


@contextmanager
def in_our_words() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        ours = translated(error)
        if ours is error:
            raise
        raise ours from error
    except PoolTimeout as error:
        raise DatabaseBusy("all connections to the database are busy", retry_after_s=_BUSY_RETRY_S) from error


def translated(error: DBAPIError) -> Exception:
    """The error of ours that says what a driver's error means; the driver's own error when we cannot tell."""
    match getattr(error.orig, "sqlstate", None):
        case "40001" | "40P01":
            return WriteConflict("the change met another one at the same rows", retry_after_s=_CONFLICT_RETRY_S)
        case "23503" | "23505":
            return RowsChanged("a row that the change relied on came or went meanwhile")
        case "55P03":
            return DatabaseBusy("another change holds the same rows", retry_after_s=_BUSY_RETRY_S)
        case "57014":
            return DatabaseBusy("a statement took longer than SEMANTIK_DATABASE_STATEMENT_TIMEOUT_S allows", retry_after_s=_BUSY_RETRY_S)
        case "25P03":
            return DatabaseUnavailable("a transaction stood still for too long and was ended", retry_after_s=_BUSY_RETRY_S)
        case "53300":
            return DatabaseBusy("the database server takes no more connections", retry_after_s=_BUSY_RETRY_S)
        case "53100":
            return DiskFull("the database cannot be written: no space left on its disk")
        case "57P01" | "57P02" | "57P03":
            return DatabaseUnavailable("the database server is shutting down or starting", retry_after_s=_BUSY_RETRY_S)
    text = str(error.orig).lower()
    if f'role "{APP_ROLE}"' in text:
        return DatabaseUnavailable(f"the database does not let this user act as {APP_ROLE}", hint="Run: semantik migrate-schema")
    if "disk is full" in text or "no space left" in text:
        return DiskFull("the database cannot be written: no space left on its disk")
    if "disk i/o error" in text:
        return DatabaseUnwritable("the database's disk cannot be written or read: read-only, failing, or full")
    if "malformed" in text or "not a database" in text:
        return DatabaseDamaged("the database file is damaged")
    if "readonly database" in text:
        return DatabaseUnwritable("the database file is read-only")
    if "unable to open database file" in text:
        return DatabaseUnavailable("the database file cannot be opened", hint="Is the data folder there, and may this user write in it?")
    if isinstance(error, OperationalError) and (error.connection_invalidated or "connect" in text or "locked" in text):
        return DatabaseUnavailable("the database does not answer", retry_after_s=_BUSY_RETRY_S)
    return error
