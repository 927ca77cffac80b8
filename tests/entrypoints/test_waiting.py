"""Who waits for a job gives up for what is down, and not for what answered late."""

from __future__ import annotations

from typing import Any

import pytest

from semantik.entrypoints.cli.waiting import Lookout, NotWell


async def test_a_part_that_answers_late_now_and_then_ends_no_wait() -> None:
    lookout = Lookout(every_s=0)

    async def health(*down: str) -> dict[str, Any]:
        return {"parts": [{"name": name, "state": "down" if name in down else "up", "detail": None} for name in ("database", "vectors")]}

    for down in (("database",), ("database",), ("vectors",), ("database", "vectors"), ("database",)):
        await lookout.look(lambda: health(*down))  # noqa: B023 - called at once
    with pytest.raises(NotWell, match="database: down"):
        await lookout.look(lambda: health("database"))
