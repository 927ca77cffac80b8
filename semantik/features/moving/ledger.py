"""How far a move is, kept in the target beside what it tells of, so that a kill at any instant repeats a batch at most."""

from __future__ import annotations

from semantik.rows import moves
from semantik.rows.moves import Done
from semantik.rows.opening import Connection, writing


class Ledger:
    """`url`: of the target's database; None when the database itself does not move. Then files and points are only looked at again."""

    def __init__(self, url: str | None, move: moves.Move | None) -> None:
        self._url = url
        self._progress: dict[str, Done] = dict(move.progress) if move is not None else {}

    def of(self, step: str) -> Done:
        return self._progress.get(step, Done())

    def note(self, connection: Connection, step: str, done: Done) -> None:
        """Within the transaction that wrote what it tells of."""
        self._progress[step] = done
        moves.note(connection, self._progress)

    def save(self, step: str, done: Done) -> None:
        """For what lies elsewhere than the database, once it is durable there."""
        if self._url is None:
            self._progress[step] = done
            return
        with writing(self._url) as connection, connection.begin():
            self.note(connection, step, done)
