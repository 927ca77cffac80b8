"""The code of the guide page runs as printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from semantik.jobs.states import Status
from tests.jobs.conftest import World

_PAGE = Path(__file__).parents[2] / "docs" / "guide" / "own-job-kind.md"


async def test_the_kind_of_the_guide_counts_words_once_and_fails_the_empty_text_only(world: World) -> None:
    names: dict[str, Any] = {"__name__": "guide"}
    blocks = re.findall(r"```python\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for block in blocks:
        exec(compile(block, str(_PAGE), "exec"), names)
    assert len(blocks[0].splitlines()) < 50
    async with world.database.write() as session:
        await session.execute(sa.text("CREATE TABLE word_counts (name TEXT PRIMARY KEY, words INTEGER)"))
        job_id = await names["count"](session, world.actor, {"a": "one two", "b": " ", "c": "three"})
        await session.commit()
    rebuilt = await world.put(names["Rebuild"](), depends_on=[job_id])
    await world.work()
    job = await world.job(job_id)
    assert (job.status, job.outcome, job.done, job.failed) == (Status.COMPLETED, "partial", 2, 1)
    assert (await world.job(rebuilt.id)).result == {"shards": 4}
    async with world.database.read() as session:
        counts = {row.name: row.words for row in await session.execute(sa.text("SELECT * FROM word_counts"))}
    assert counts == {"a": 2, "c": 1}
