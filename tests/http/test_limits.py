"""A minute's attempts for each key: they run out, come back, are given back, and never fill the memory."""

from __future__ import annotations

import pytest

from semantik.http import limits


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_attempts_run_out_and_come_back_after_a_minute() -> None:
    clock = Clock()
    attempts = limits.Attempts(clock=clock)
    for _ in range(3):
        attempts.take("ada", limit=3)
        clock.now += 10
    with pytest.raises(limits.TooManyAttempts) as caught:
        attempts.take("ada", limit=3)
    assert caught.value.retry_after_s == 30
    attempts.take("eve", limit=3)
    clock.now += 30
    attempts.take("ada", limit=3)


def test_a_success_gives_its_attempt_back() -> None:
    attempts = limits.Attempts(clock=Clock())
    for _ in range(10):
        attempts.take("ada", limit=2)
        attempts.give_back("ada")
    attempts.give_back("nobody")


def test_the_oldest_keys_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MAX_KEYS", 3)
    attempts = limits.Attempts(clock=Clock())
    for key in ("one", "two", "three", "four"):
        attempts.take(key, limit=1)
    attempts.take("one", limit=1)
    with pytest.raises(limits.TooManyAttempts):
        attempts.take("four", limit=1)
