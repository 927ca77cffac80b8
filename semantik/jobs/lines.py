"""What a job may say in its own history: lines with a level, as many as a person would read. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["info", "warning", "error"]
LEVELS: tuple[Level, ...] = ("info", "warning", "error")

# A log is read by people; a job of a million items must not write a million rows. The second half is for trouble alone.
MOST_INFO = 1000
MOST = 2000
_MOST_CHARS = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """An event that is not a change of state. `metadata` is JSON, with the words in `text` when it is a line of a handler."""

    type: str
    level: Level = "info"
    metadata: dict[str, Any] = field(default_factory=dict)


# The types that count against the limit; a change of state is always told.
COUNTED = ("job.log", "item.failed", "item.quarantined")


def line(text: str, level: Level, fields: dict[str, Any]) -> Line:
    """A handler's line; long words are cut."""
    cut = {name: value[:_MOST_CHARS] if isinstance(value, str) else value for name, value in fields.items()}
    return Line("job.log", level, {**cut, "text": text[:_MOST_CHARS]})


class Lines:
    """Counts the lines of one job, over all its attempts."""

    def __init__(self, written: int) -> None:
        self._written = written

    def fit(self, lines: Sequence[Line]) -> list[Line]:
        """Those there is room for; in place of the first that is left out, once for each half, a line that says so."""
        kept: list[Line] = []
        for one in lines:
            most = MOST_INFO if one.level == "info" else MOST
            if self._written >= most:
                continue
            self._written += 1
            kept.append(one if self._written < most else _full(one.level))
        return kept


def _full(level: Level) -> Line:
    left_out = "lines of level info are left out from here on" if level == "info" else "this log is full, and later lines are left out"
    return line(left_out, "warning", {})
