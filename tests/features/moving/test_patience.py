"""How long a move waits for an index that does not answer, and when it does not wait at all."""

from __future__ import annotations

import pytest

from semantik.engines.vectors.base import IndexDiskFull, IndexRefused, IndexUnavailable
from semantik.features.moving.patience import patient, patiently
from semantik.kit.settings import Settings


class Silent:
    """Answers with the `answers_at`th call."""

    def __init__(self, answers_at: int, *, retry_after_s: float | None = 0.0, kind: type[IndexUnavailable] = IndexUnavailable) -> None:
        self.calls = 0
        self._answers_at = answers_at
        self._retry_after_s = retry_after_s
        self._kind = kind

    async def ask(self) -> int:
        self.calls += 1
        if self.calls < self._answers_at:
            raise self._kind("the Qdrant server does not answer", retry_after_s=self._retry_after_s)
        return self.calls


async def test_an_index_that_answers_again_was_waited_for() -> None:
    assert await patiently(Silent(4).ask, pauses_s=(0, 0, 0)) == 4


async def test_an_index_that_stays_away_ends_the_move_which_can_go_on_later() -> None:
    index = Silent(9)
    with pytest.raises(IndexUnavailable, match="asked 4 times") as caught:
        await patiently(index.ask, pauses_s=(0, 0, 0))
    assert index.calls == 4
    assert caught.value.hint and "the same command" in caught.value.hint and "goes on from there" in caught.value.hint


@pytest.mark.parametrize(("kind", "retry_after_s"), [(IndexUnavailable, None), (IndexRefused, 0.0), (IndexDiskFull, 0.0)])
async def test_a_refusal_that_no_waiting_mends_is_said_at_once(kind: type[IndexUnavailable], retry_after_s: float | None) -> None:
    index = Silent(9, retry_after_s=retry_after_s, kind=kind)
    with pytest.raises(kind):
        await patiently(index.ask, pauses_s=(0, 0, 0))
    assert index.calls == 1


def test_an_index_has_longer_to_answer_than_a_search_may_wait() -> None:
    assert patient(Settings()).qdrant_timeout_s == 60
    assert patient(Settings(qdrant_timeout_s=90)).qdrant_timeout_s == 90
