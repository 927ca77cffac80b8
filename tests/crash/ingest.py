"""Ingests the sample corpus while the whole process is killed again and again; what remains must equal a calm run."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from semantik import sample
from semantik.engines.vectors.base import Space
from semantik.engines.vectors.edge import EdgeStore
from semantik.kit import logs
from tests.crash.provider import Provider
from tests.jobs.forks import KILLED, Zygote, state


def campaign(
    *, seed: int, kills: int, lanes: int = 2, folder: Path | None = None, lives: tuple[float, float] = (0.2, 4.0)
) -> dict[str, Any]:
    """Ingests the folder into fresh data folders, one after the other, until so many processes were killed.

    A life ends by kill -9 at a random moment after its process is up, or while it starts; half of the time its children are killed
    with it, half of the time they are left behind. Meanwhile each life pauses and cancels its own ingest through the API.
    """
    logs.configure("critical", "console")
    tally = _Tally(seed, folder or sample.FOLDER, kills, lives)
    started = time.monotonic()
    zygote = Zygote("tests.crash.embedded")
    try:
        tally.calm = tally.run(zygote, None)
    finally:
        zygote.close()
    threads = [threading.Thread(target=tally.lane, args=(number,)) for number in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally.as_json() | {"seconds": time.monotonic() - started}


class _Tally:
    def __init__(self, seed: int, folder: Path, kills: int, lives: tuple[float, float]) -> None:
        self.seed = seed
        self.folder = folder
        self.kills = kills
        self.lives = lives
        self.calm: dict[str, Any] = {}
        self.rounds = self.losses = self.texts = self.charged = self.most = 0
        self.faults: Counter[str] = Counter()
        self.failures: list[str] = []
        self._lock = threading.Lock()

    def as_json(self) -> dict[str, Any]:
        """In the form of `campaign.Tally`, with the provider's bill."""
        return {
            "part": "ingest",
            "database": "sqlite",
            "mode": "embedded",
            "seed": self.seed,
            "cases": self.rounds,
            "jobs": self.rounds,
            "kills": self._killed(),
            "effects": self.rounds * len(self.calm["chunks"]),
            "losses": self.losses,
            "quarantined": 0,
            "faults": dict(self.faults),
            "points": {},
            "ended": {"completed": self.rounds},
            "failures": self.failures,
            "bill": {"texts": self.texts, "charged": self.charged, "most_for_one_text": self.most},
        }

    def lane(self, number: int) -> None:
        zygote = Zygote("tests.crash.embedded")
        try:
            while self._killed() < self.kills and len(self.failures) < 5:
                chance = random.Random(f"{self.seed}-{number}-{self.rounds}")
                try:
                    found = self.run(zygote, chance)
                except Exception as error:  # noqa: BLE001 (a campaign goes on, and tells of it)
                    self.failures.append(f"{type(error).__name__}: {error}"[:800])
                    continue
                different = [name for name in self.calm if found[name] != self.calm[name]]
                with self._lock:
                    self.rounds += 1
                    self.failures += [f"{name} differ from the calm run: {_difference(self.calm[name], found[name])}" for name in different]
        finally:
            zygote.close()

    def _killed(self) -> int:
        return sum(count for name, count in self.faults.items() if name.startswith("kill"))

    def run(self, zygote: Zygote, chance: random.Random | None) -> dict[str, Any]:
        """One ingest of the folder from nothing to its end; without `chance` a calm one. Returns the end state."""
        data_dir = Path(tempfile.mkdtemp(prefix="semantik-crash-"))
        killed = 0
        try:
            with Provider() as provider:
                given = {"data_dir": str(data_dir), "folder": str(self.folder), "provider": provider.url}
                while True:
                    calm = chance is None or killed >= 40 or self._killed() >= self.kills
                    pid = zygote.start(seed=chance.randrange(1 << 30) if chance is not None else 0, meddle=not calm, **given)
                    if chance is None or calm or not self._wait(pid, data_dir, chance):
                        break
                    killed += 1
                    self._kill(zygote, pid, chance)
                status = zygote.wait(pid)
                assert status == 0, f"a life ended by itself with {status}"
                asked = (data_dir / "asked").read_text().count("\n") if (data_dir / "asked").exists() else 0
                self._bill(provider, killed, asked)
            self.losses += _losses(data_dir)
            return end_state(data_dir)
        finally:
            shutil.rmtree(data_dir, ignore_errors=True)

    def _wait(self, pid: int, data_dir: Path, chance: random.Random) -> bool:
        """Waits for the moment to kill; False when the life ended before, its work done."""
        up = data_dir / "alive"
        before = up.stat().st_mtime_ns if up.exists() else 0
        end = time.monotonic() + 60
        if chance.random() > 0.15:
            while (not up.exists() or up.stat().st_mtime_ns == before) and state(pid) != "Z" and time.monotonic() < end:
                time.sleep(0.01)
        end = time.monotonic() + chance.uniform(*self.lives)
        while time.monotonic() < end:
            if state(pid) == "Z":
                return False
            time.sleep(0.01)
        return state(pid) != "Z"

    def _kill(self, zygote: Zygote, pid: int, chance: random.Random) -> None:
        alone = chance.random() < 0.5
        with suppress(ProcessLookupError):
            (os.kill if alone else os.killpg)(pid, signal.SIGKILL)
        status = zygote.wait(pid)
        assert status in (KILLED, 0), f"a life ended by itself with {status}"
        with self._lock:
            self.faults["kill -9 of the main process, its children left behind" if alone else "kill -9 of all processes"] += 1

    def _bill(self, provider: Provider, killed: int, asked: int) -> None:
        most = max(provider.charged.values())
        with self._lock:
            self.texts += len(provider.charged)
            self.charged += provider.charged.total()
            self.most = max(self.most, most)
            self.faults["pause or cancel asked meanwhile"] += asked
        assert most <= 1 + killed, f"one text was charged {most} times in a round of {killed} kills ({asked} pauses and cancels)"


def _difference(calm: Any, found: Any) -> str:
    if isinstance(calm, list):
        return f"missing {[one for one in calm if one not in found][:3]}, too many {[one for one in found if one not in calm][:3]}"[:600]
    return f"{calm} against {found}"


def end_state(data_dir: Path) -> dict[str, Any]:
    """Documents, chunks, vectors, counters by path and ordinal: ids differ from run to run."""
    connection = sqlite3.connect(data_dir / "semantik.db")
    documents = connection.execute(
        "SELECT path, state, code, chunk_count, content_hash, text_hash, due FROM documents ORDER BY path"
    ).fetchall()
    rows = connection.execute(
        "SELECT c.id, d.path, c.ordinal, c.text, c.embedding_hash FROM chunks c "
        "JOIN documents d ON d.id = c.document_id AND d.version = c.version"
    ).fetchall()
    leftovers = connection.execute("SELECT (SELECT count(*) FROM chunks) - ?, (SELECT count(*) FROM dead_points)", (len(rows),)).fetchone()
    (vectors,) = connection.execute("SELECT count(*) FROM embeddings").fetchone()
    (open_jobs,) = connection.execute("SELECT count(*) FROM jobs WHERE finished_at IS NULL OR status != 'completed'").fetchone()
    counters = connection.execute("SELECT status, outcome, total, done, failed, skipped FROM jobs WHERE kind = 'ingest_source'").fetchall()
    connection.close()
    points = asyncio.run(_points(data_dir))
    assert set(points) == {row[0] for row in rows}, "every point has its row, every row its point"
    chunks = sorted((path, ordinal, text, points.get(chunk_id)) for chunk_id, path, ordinal, text, _ in rows)
    found = {
        "documents": documents,
        "chunks": chunks,
        "leftovers": leftovers,
        "vectors": vectors,
        "open jobs": open_jobs,
        "counters": counters,
    }
    return dict(json.loads(json.dumps(found)))


def _losses(data_dir: Path) -> int:
    connection = sqlite3.connect(data_dir / "semantik.db")
    (losses,) = connection.execute("SELECT coalesce(sum(losses), 0) FROM jobs").fetchone()
    connection.close()
    return int(losses)


async def _points(data_dir: Path) -> dict[str, list[float]]:
    store = EdgeStore(data_dir / "index")
    found: dict[str, list[float]] = {}
    try:
        for space in await store.spaces():
            async for batch in store.scan(Space(space.key, space.dimensions), vectors=True):
                for point in batch:
                    assert point.dense is not None
                    found[point.id] = [round(float(value), 3) for value in point.dense[:8]]
    finally:
        await store.close()
    return found
