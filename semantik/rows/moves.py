"""The mark on a database that is filled from another one: how far it is, and whether anybody may use it.

(no row)   a database of its own                        usable
filling    some of it is there                          refused; the same command goes on
differs    all is there, and it is not what the source holds     refused
proved     counts, checksums, files and searches agree  usable
used       a process has served from it since           usable, and no longer comparable with its source
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, assert_never

import sqlalchemy as sa

from semantik.kit.clock import now
from semantik.kit.errors import Misconfigured
from semantik.rows.opening import reading, writing
from semantik.rows.pages import Cursor
from semantik.tables.moves import moves

_ID = "move"


class State(StrEnum):
    """A fill may end in either verdict, as often as it is verified again; once used, it stays so."""

    FILLING = "filling"
    DIFFERS = "differs"
    PROVED = "proved"
    USED = "used"


class TargetUnusable(Misconfigured):
    """A database that was not filled completely, or not with what its source holds."""

    code = "target_unusable"
    title = "This installation is not complete"


@dataclass(frozen=True, slots=True)
class Done:
    """How far one step came. `after`: a cursor of the step's own kind."""

    after: Cursor | None = None
    done: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    source: str
    state: State
    progress: Mapping[str, Done]
    differences: Sequence[str]


def present(connection: sa.Connection) -> Move | None:
    """The mark, where the database has one; None also for a schema of before there were any."""
    if not sa.inspect(connection).has_table(moves.name):
        return None
    row = connection.execute(sa.select(moves)).one_or_none()
    if row is None:
        return None
    return Move(row.source, State(row.state), {step: Done(**done) for step, done in row.progress.items()}, row.differences)


def begin(connection: sa.Connection, source: str) -> None:
    at = now()
    values = {"source": source, "state": State.FILLING, "progress": {}, "differences": [], "started_at": at, "updated_at": at}
    connection.execute(moves.insert().values(id=_ID, **values))


def note(connection: sa.Connection, progress: Mapping[str, Done]) -> None:
    """Within the transaction that wrote what it tells of."""
    plain = {step: {"after": one.after, "done": one.done, "ended": one.ended} for step, one in progress.items()}
    _set(connection, progress=plain)


def settle(connection: sa.Connection, *, differences: Sequence[str]) -> None:
    """After a verification: proved when nothing differs."""
    _set(connection, state=State.DIFFERS if differences else State.PROVED, differences=list(differences))


def require_usable(url: str) -> None:
    """Before anything is served from a database. Raises `TargetUnusable`; notes that a proved one is used from now on."""
    with reading(url) as connection:
        move = present(connection)
    if move is None:
        return
    match move.state:
        case State.USED:
            return
        case State.PROVED:
            with writing(url) as connection, connection.begin():
                _set(connection, state=State.USED)
        case State.FILLING:
            raise TargetUnusable(
                "this database is being filled by `semantik migrate`, and is not complete",
                hint="Run the same `semantik migrate` again: it goes on where it stopped. The source is as it was, and can be used.",
            )
        case State.DIFFERS:
            raise TargetUnusable(
                f"this database was filled by `semantik migrate`, and the verification found: {'; '.join(move.differences[:3])}",
                hint="Go on with the source, which is as it was. Empty this target (database, files, index) and migrate again.",
            )
        case other:
            assert_never(other)


def _set(connection: sa.Connection, **values: Any) -> None:
    connection.execute(sa.update(moves).where(moves.c.id == _ID).values(updated_at=now(), **values))
