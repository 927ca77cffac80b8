"""Ingests documents while workers, the API and Redis are killed at every step; what remains must equal a calm run."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from semantik import sample
from semantik.engines.vectors.base import Space, VectorStore
from semantik.kit import logs
from semantik.kit.database import Database
from semantik.tables.jobs import job_events
from tests.crash.client import Client
from tests.crash.provider import Provider
from tests.crash.site import Ground, Part, Site
from tests.jobs.oracle import check

# Of the sample corpus what needs no OCR: text in many formats, an archive, mail, tables.
DOCUMENTS = (
    "board/minutes-2025-05-20.md", "board/minutes-2025-02-11.docx", "archive/meter-readings-2024.zip", "finance/invoice-h-25-077.xml",
    "incident-2025-03/alarms-2025-03-15.csv", "incident-2025-03/pump-controller-p2.log", "incident-2025-03/timeline.html",
    "mail/2025-01-09-order-po-2025-014.eml", "manuals/arriaga-ar-80.epub", "manuals/valve-catalogue.json",
    "notices/jal-soochna-hindi.txt", "operation/leak_detector.py",
)  # fmt: skip

# Where a worker is met, and at which passing at most: an ingest of a dozen documents passes the first ones once, the others often.
STEPS = {
    "after_claim": 2, "ingest_listed": 1, "ingest_planned": 1, "ingest_fetched": 10, "ingest_extracted": 10, "ingest_embedded": 8,
    "ingest_upserted": 4, "ingest_flushed": 4, "in_step_before_commit": 16, "after_step_commit": 16, "ingest_published": 4,
    "after_commit_before_publish": 12, "ingest_read": 1, "ingest_swept": 1, "before_finish": 1, "in_finish_before_commit": 1,
}  # fmt: skip
_LAST = ("ingest_read", "ingest_swept", "before_finish")
# Where an API is met: it has written, and told nobody yet.
_ASKED = {"after_insert_before_commit": 1, "in_control_before_commit": 3}
_ROUND_S = 240
# What Celery says as it ends a worker one of whose children dies before its loop has begun.
_NO_CHILDREN = "Could not start worker processes"


def campaign(
    mode: str,
    *,
    seed: int,
    kills: int,
    lanes: int = 2,
    folder: Path | None = None,
    within_s: float = 7200,
    kills_a_round: tuple[int, int] = (6, 12),
) -> dict[str, Any]:
    """Ingests the folder from nothing, round by round, until so many processes were killed in rounds that were judged.

    After `within_s` nothing is killed any more: the rounds that are under way go on to their end and are judged.

    A process is killed where it stands at a seeded fail point, after a seeded number of calls of the provider, or while it
    starts. Of an embedded one it is by chance everything, the main process alone with its children left behind, or the index
    process alone; on a server the worker, one child of it, the API, or Redis with all its data.
    """
    logs.configure("critical", "console")
    started = time.monotonic()
    corpus = Path(tempfile.mkdtemp(prefix="semantik-corpus-"))
    try:
        if folder is None:
            folder = corpus
            for name in DOCUMENTS:
                (corpus / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(sample.FOLDER / name, corpus / name)
        with Ground(mode) as ground:
            tally = _Tally(ground, seed, folder, kills, kills_a_round, started + within_s)
            tally.lane(None)
            threads = [threading.Thread(target=tally.lane, args=(number,)) for number in range(lanes if tally.calm else 0)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        shutil.rmtree(corpus, ignore_errors=True)
    return tally.as_json() | {"seconds": time.monotonic() - started}


class _Tally:
    """What was done and found, over all lanes. Only rounds that were judged count."""

    def __init__(self, ground: Ground, seed: int, folder: Path, kills: int, kills_a_round: tuple[int, int], until: float) -> None:
        self.ground = ground
        self.seed = seed
        self.folder = folder
        self.wanted = kills
        self.kills_a_round = kills_a_round
        self.until = until
        self.calm: dict[str, Any] = {}
        self.rounds = self.losses = self.texts = self.charged = self.most = 0
        self.begun = 0
        self.faults: Counter[str] = Counter()
        self.places: Counter[str] = Counter()
        self.failures: list[str] = []
        self._lock = threading.Lock()

    @property
    def kills(self) -> int:
        return sum(count for name, count in self.faults.items() if name.startswith("kill"))

    def as_json(self) -> dict[str, Any]:
        """In the form of `lab.Tally`, with the provider's bill."""
        server = self.ground.mode == "server"
        return {
            "part": "ingest",
            "database": "postgresql" if server else "sqlite",
            "mode": "celery" if server else "embedded",
            "seed": self.seed,
            "cases": self.rounds,
            "jobs": self.rounds,
            "kills": self.kills,
            "effects": self.rounds * len(self.calm.get("chunks", [])),
            "losses": self.losses,
            "quarantined": 0,
            "faults": dict(self.faults),
            "points": {},
            "places": dict(self.places),
            "ended": {"completed": self.rounds},
            "failures": self.failures,
            "bill": {"texts": self.texts, "charged": self.charged, "most_for_one_text": self.most},
        }

    def lane(self, number: int | None) -> None:
        """Rounds, one after the other; without a number the one calm round."""
        with self.ground.servers() as servers:
            while not self.calm if number is None else self.kills < self.wanted and time.monotonic() < self.until:
                if len(self.failures) >= (1 if number is None else 5):
                    break
                with self._lock:
                    self.begun += 1
                    begun = self.begun
                chance = random.Random(f"{self.seed}-{begun}") if number is not None else None
                try:
                    with Provider() as provider, self.ground.site(servers, provider.url) as site:
                        one = _Round(site, Client(site, self.ground.key, provider, self.folder, chance), chance, self.until)
                        one.left = chance.randint(*self.kills_a_round) if chance is not None else 0
                        found, losses = one.run()
                except Exception as error:  # noqa: BLE001 (a campaign goes on, and tells of it)
                    self.failures.append(f"round {begun}: {type(error).__name__}: {error}"[:1500])
                    continue
                if number is None:
                    self.calm = found
                    continue
                with self._lock:
                    self._note(one, found, losses)

    def _note(self, one: _Round, found: dict[str, Any], losses: int) -> None:
        different = [name for name in self.calm if found[name] != self.calm[name]]
        self.failures += [f"{name} differ from the calm run: {_difference(self.calm[name], found[name])}" for name in different]
        self.rounds += 1
        self.losses += losses
        self.faults += one.faults
        self.faults.update({f"{verb} asked meanwhile": count for verb, count in one.client.asked.items()})
        self.places += one.places
        self.texts += len(one.provider.charged)
        self.charged += one.provider.charged.total()
        self.most = max(self.most, *one.provider.charged.values())


class _Round:
    """One ingest of the folder from nothing to its end; without `chance` a calm one."""

    def __init__(self, site: Site, client: Client, chance: random.Random | None, until: float) -> None:
        self.site = site
        self.client = client
        self.provider = client.provider
        self.until = until
        self.chance = chance or random.Random(0)
        # Kills that are still to come.
        self.left = 0
        self.faults: Counter[str] = Counter()
        self.places: Counter[str] = Counter()
        self._at_call: int | None = None
        # The life of the worker that a child was killed in: Celery may end it for that.
        self._lost_child_of: Part | None = None
        self._at_start: dict[str, float] = {}

    @property
    def crashes(self) -> int:
        """Deaths of what embeds: of these alone the provider may notice anything."""
        names = ("kill -9 of Redis", "kill -9 of the API", "a worker that lost")
        return sum(count for name, count in self.faults.items() if not name.startswith(names))

    def run(self) -> tuple[dict[str, Any], int]:
        """The end state, and how many leases were lost. Raises AssertionError for what no calm run may show, and no killed one."""
        until = time.monotonic() + _ROUND_S
        self.client.start()
        try:
            while not self.client.over.is_set():
                assert time.monotonic() < until, f"it did not end: job {self.client.job_id}, {self._last_words()}"
                assert not self.client.failures, self.client.failures[0]
                self._turn()
                time.sleep(0.01)
        finally:
            self.client.close()
        self.site.end()
        most = max(self.provider.charged.values())
        asked = dict(self.client.asked)
        assert most <= 1 + self.crashes, f"one text was charged {most} times with {self.crashes} crashes ({asked})"
        return asyncio.run(self._judge())

    async def _judge(self) -> tuple[dict[str, Any], int]:
        database, vectors = self.site.database(), self.site.vectors()
        try:
            seen = await check(database, acks=self.client.acks, effects=False)
            return await end_state(database, vectors), seen.losses
        finally:
            await vectors.close()
            await database.close()

    def _last_words(self) -> str:
        return "; ".join(f"{name}: {part.text[-700:] if part is not None else 'down'}" for name, part in self.site.parts.items())

    def _turn(self) -> None:
        if time.monotonic() > self.until:
            self.left = 0
        if self.left == 0:
            self.client.quiet = True
        for name, part in self.site.parts.items():
            if part is None:
                self._start(name)
        for name, part in self.site.parts.items():
            if part is None:
                continue
            if part.ended:
                if part is self._lost_child_of and _NO_CHILDREN in part.text:
                    self._lost_child_of = None
                    self.site.reap(name, 1)
                    self.faults["a worker that lost a child while it started ended, and was started anew"] += 1
                    continue
                self.site.reap(name, 0)
                raise AssertionError(f"{name} ended by itself: {part.text[-600:]}")
            place = self._place(name)
            if place is not None:
                self._hurt(name, place)
                return

    def _start(self, name: str) -> None:
        """Starts the part, and settles where this life of it is met."""
        if self.left == 0:
            self.site.start(name)
            return
        if name != self.site.worker:
            self.site.start(name, _plan(self.chance, _ASKED, 1) if self.chance.random() < 0.5 else "")
            return
        dice = self.chance.random()
        if dice < 0.1:
            self._at_start[name] = time.monotonic() + self.chance.uniform(0.0, 1.5)
        elif dice < 0.35:
            self._at_call = self.provider.requests + self.chance.randint(2, 5)
        steps = 1 if self.site.broker is None else 5
        pool = self.chance.choice(["prefork", "prefork", "threads"])
        self.site.start(name, f"{_plan(self.chance, STEPS, steps)},{self.chance.choice(_LAST)}=stop", pool)

    def _place(self, name: str) -> str | None:
        """Why the part is met now, if it is."""
        part = self.site.parts[name]
        assert part is not None
        if part.stopped is not None:
            return "at a fail point"
        if self._at_start.get(name, time.monotonic() + 1) < time.monotonic():
            del self._at_start[name]
            return "while it starts"
        if name == self.site.worker and self._at_call is not None and self.provider.requests >= self._at_call:
            self._at_call = None
            return "after a call of the provider"
        return None

    def _hurt(self, name: str, place: str) -> None:
        part = self.site.parts[name]
        assert part is not None
        if self.left == 0:
            self.site.go_on()
            return
        self.left -= 1
        self._at_start.pop(name, None)
        self._at_call = None if name == self.site.worker else self._at_call
        self.places[place] += 1
        if self.site.broker is None:
            self._hurt_embedded(self.chance.random())
        elif name == "api":
            self._kill_api()
        else:
            self._hurt_server(self.chance.random())

    def _hurt_embedded(self, dice: float) -> None:
        if dice < 0.2 and (index := self.site.index_process) is not None:
            os.kill(index, signal.SIGKILL)
            self.site.go_on()
            self.faults["kill -9 of the index process alone"] += 1
            return
        alone = dice < 0.6
        self.site.kill("api", alone=alone)
        self.faults["kill -9 of the main process, its children left behind" if alone else "kill -9 of all processes"] += 1

    def _hurt_server(self, dice: float) -> None:
        """The worker stands at a step, or has just asked the provider: something dies, and what did not goes on at once."""
        child = self.site.pool_child if dice < 0.2 else None
        if child is not None:
            os.kill(child, signal.SIGKILL)
            self._lost_child_of = self.site.parts["worker"]
            self.site.go_on()
            self.faults["kill -9 of one child of the worker"] += 1
        elif dice < 0.4:
            self.site.kill("worker")
            self.faults["kill -9 of the worker and its children"] += 1
        elif dice < 0.7:
            self.site.go_on()
            self._kill_api()
        else:
            broker = self.site.broker
            assert broker is not None
            self.site.go_on()
            broker.wipe(self.chance.uniform(0.0, 1.0))
            self.faults["kill -9 of Redis, all its data lost"] += 1

    def _kill_api(self) -> None:
        if self.site.parts["api"] is not None:
            self.site.kill("api")
        self.faults["kill -9 of the API"] += 1


def _plan(chance: random.Random, steps: dict[str, int], count: int) -> str:
    return ",".join(f"{step}=stop@{chance.randint(1, steps[step])}" for step in chance.sample(sorted(steps), count))


def _difference(calm: Any, found: Any) -> str:
    if isinstance(calm, list):
        return f"missing {[one for one in calm if one not in found][:3]}, too many {[one for one in found if one not in calm][:3]}"[:900]
    return f"{calm} against {found}"


async def end_state(database: Database, vectors: VectorStore) -> dict[str, Any]:
    """Ledger, chunks, stored vectors, points and counters by path and ordinal: ids differ from run to run.

    A restart counts from zero, and finds unchanged what was settled by then: the counters of an ingest are those it ended with
    and those it had before each restart, so that every document was counted once.
    """
    async with database.read() as session:

        async def rows(statement: str) -> list[Any]:
            return [tuple(row) for row in (await session.execute(sa.text(statement))).all()]

        documents = await rows("SELECT path, state, code, chunk_count, content_hash, text_hash, due FROM documents")
        live = await rows(
            "SELECT c.id, d.path, c.ordinal, c.text, c.embedding_hash FROM chunks c "
            "JOIN documents d ON d.id = c.document_id AND d.version = c.version"
        )
        ((chunks, dead),) = await rows("SELECT (SELECT count(*) FROM chunks), (SELECT count(*) FROM dead_points)")
        stored = await rows("SELECT text_hash, vector FROM embeddings")
        ((open_jobs,),) = await rows("SELECT count(*) FROM jobs WHERE finished_at IS NULL OR status != 'completed'")
        counters = await rows("SELECT status, outcome, done, failed, skipped, quarantined FROM jobs WHERE kind = 'ingest_source'")
        restarts = sa.select(job_events.c.job_id, job_events.c.seq).where(job_events.c.type == "job.restarted").subquery()
        before = (job_events.c.job_id == restarts.c.job_id) & (job_events.c.seq == restarts.c.seq - 1)
        forgotten = list(await session.scalars(sa.select(job_events.c.payload).join(restarts, before)))
    points = await _points(vectors)
    assert set(points) == {row[0] for row in live}, "every point has its row, every row its point"
    found = {
        "documents": sorted(documents, key=str),
        "chunks": sorted((path, ordinal, text, name, points[id]) for id, path, ordinal, text, name in live),
        "leftovers": (chunks - len(live), dead),
        "vectors": sorted((name, bytes(vector).hex()) for name, vector in stored),
        "open jobs": open_jobs,
        "counters": _counted(counters, [payload["counts"] for payload in forgotten]),
    }
    return dict(json.loads(json.dumps(found)))


def _counted(rows: list[Any], forgotten: list[dict[str, int]]) -> dict[str, Any]:
    names = ("done", "failed", "skipped", "quarantined")
    counts = {name: sum(row[2 + place] for row in rows) + sum(one[name] for one in forgotten) for place, name in enumerate(names)}
    return {"jobs": sorted([status, outcome] for status, outcome, *_ in rows), **counts}


async def _points(vectors: VectorStore) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for space in await vectors.spaces():
        async for batch in vectors.scan(Space(space.key, space.dimensions), vectors=True):
            for point in batch:
                assert point.dense is not None
                found[point.id] = [round(float(value), 3) for value in point.dense]
    return found
