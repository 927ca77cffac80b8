"""What flows while an installation moves: steps, how far they are, and what a verification found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


class Watcher(Protocol):
    """Who looks on: a progress bar, a log, nobody."""

    def step(self, name: str, total: int | None, done: int = 0) -> None:
        """A step begins; `done` of it was there before."""
        ...

    def seen(self, count: int) -> None:
        """So many more of the present step."""
        ...


class Nobody(Watcher):
    def step(self, name: str, total: int | None, done: int = 0) -> None:
        """Nobody looks."""

    def seen(self, count: int) -> None:
        """Nobody counts."""


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison. `source` and `target` say what was found there; `difference` is None where they agree."""

    what: str
    source: str
    target: str
    difference: str | None = None


@dataclass(slots=True)
class Report:
    """`notes`: what is as bad at the source as it is now at the target, and what could not be compared."""

    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def differences(self) -> list[str]:
        return [check.difference for check in self.checks if check.difference is not None]


@dataclass(frozen=True, slots=True)
class Part:
    """A prediction for one step. `count`: rows, files or points."""

    what: str
    count: int
    content_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Prediction:
    parts: Sequence[Part]

    @property
    def seconds(self) -> float:
        return sum(part.seconds for part in self.parts)

    @property
    def content_bytes(self) -> int:
        return sum(part.content_bytes for part in self.parts)
