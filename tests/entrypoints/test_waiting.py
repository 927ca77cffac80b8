"""Who waits for a job gives up for what is down, and not for what answered late."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from semantik.entrypoints.cli.waiting import Lookout, NotWell


async def test_a_part_that_answers_late_now_and_then_ends_no_wait() -> None:
    lookout = Lookout(every_s=0)

    async def health(*down: str) -> dict[str, Any]:
        return {"parts": [{"name": name, "state": "down" if name in down else "up", "detail": None} for name in ("database", "vectors")]}

    for down in (("database",), ("database",), ("vectors",), ("database", "vectors"), ("database",)):
        await lookout.look(lambda: health(*down))  # noqa: B023 - called at once
    with pytest.raises(NotWell, match="database: down"):
        await lookout.look(lambda: health("database"))


async def test_a_job_is_waited_for_while_redis_is_away() -> None:
    lookout = Lookout(every_s=0)

    async def health() -> dict[str, Any]:
        return {"parts": [{"name": name, "state": "down", "detail": None} for name in ("redis", "broker")]}

    for _ in range(10):
        await lookout.look(health)


@pytest.mark.slow
def test_what_workers_do_is_waited_for_only_when_asked(
    semantik: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgresql_url: str, redis_url: str, qdrant_url: str
) -> None:
    for name, url in (("DATABASE", postgresql_url), ("REDIS", redis_url), ("QDRANT", qdrant_url)):
        monkeypatch.setenv(f"SEMANTIK_{name}_URL", url)
    (tmp_path / "papers").mkdir()

    left = semantik("ingest", str(tmp_path / "papers"), "--no-wait")
    (waiting,) = json.loads(semantik("jobs", "list", "--json", "-c", "Documents").stdout)
    doctor = semantik("doctor")

    assert left.exit_code == 0 and left.stdout == f"{waiting['id']}\n", left.output
    assert f"jobs watch {waiting['id']}" in left.stderr and "listed" not in left.stderr
    assert waiting["status"] == "queued", "there is no worker"
    assert "looks at the same database, index and blobs by itself" in doctor.stdout and "not running" not in doctor.stdout
