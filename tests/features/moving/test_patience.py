"""How long a move waits for an index that does not answer, and when it does not wait at all."""

from __future__ import annotations

from typing import Any

import pytest

from semantik.engines.vectors.base import IndexUnavailable
from semantik.features.moving.patience import patient, patiently
from semantik.kit.settings import Settings


class Silent:
    """Answers with the `answers_at`th call."""

    def __init__(self, answers_at: int, *, retry_after_s: float | None = 0.0, hint: str | None = None) -> None:
        self.calls = 0
        self._answers_at = answers_at
        self._retry_after_s = retry_after_s
        self._hint = hint

    async def ask(self) -> int:
        self.calls += 1
        if self.calls < self._answers_at:
            raise IndexUnavailable("the Qdrant server does not answer", retry_after_s=self._retry_after_s, hint=self._hint)
        return self.calls


async def test_an_index_that_answers_again_was_waited_for() -> None:
    assert await patiently(Silent(4).ask, pauses_s=(0, 0, 0)) == 4


async def test_an_index_that_stays_away_ends_the_move_which_can_go_on_later() -> None:
    index = Silent(9)
    with pytest.raises(IndexUnavailable, match="asked 4 times") as caught:
        await patiently(index.ask, pauses_s=(0, 0, 0))
    assert index.calls == 4
    assert caught.value.hint and "the same command" in caught.value.hint and "goes on from there" in caught.value.hint


@pytest.mark.parametrize("refusal", [{"retry_after_s": None}, {"hint": "Put the key into SEMANTIK_QDRANT_URL."}])
async def test_a_refusal_that_no_waiting_mends_is_said_at_once(refusal: dict[str, Any]) -> None:
    index = Silent(9, **refusal)
    with pytest.raises(IndexUnavailable):
        await patiently(index.ask, pauses_s=(0, 0, 0))
    assert index.calls == 1


def test_an_index_has_longer_to_answer_than_a_search_may_wait() -> None:
    assert patient(Settings()).qdrant_timeout_s == 60
    assert patient(Settings(qdrant_timeout_s=90)).qdrant_timeout_s == 90
