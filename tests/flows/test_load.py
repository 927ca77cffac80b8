"""Several workers index at once while PostgreSQL dies under them: nothing is lost, nothing doubled, nobody locks anybody out.

The suite indexes a few hundred documents; `make crash` sets SEMANTIK_TEST_DOCUMENTS to more than a thousand.
"""

from __future__ import annotations

import os
import signal
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from semantik import migrations
from tests import services
from tests.conftest import administer
from tests.flows import several
from tests.flows.several import Site

pytestmark = [pytest.mark.long, pytest.mark.crash, pytest.mark.postgres]

DOCUMENTS = int(os.environ.get("SEMANTIK_TEST_DOCUMENTS", "160"))
COLLECTIONS = 4
WORKERS = 3
# Each document is long enough for more than one chunk; its first part is the same in every collection, and so is its vector.
_COMMON = " ".join(f"Clause {number} of the maintenance agreement holds for every plant of the company." for number in range(40))


@pytest.fixture
def server() -> Iterator[services.Postgres]:
    """A PostgreSQL that keeps what it acknowledged, and that may be killed."""
    with services.postgres(durable=True) as opened:
        administer(opened, 'CREATE DATABASE "load"')
        migrations.upgrade(opened.url("load"))
        yield opened


@pytest.fixture
def site(server: services.Postgres, tmp_path: Path) -> Iterator[Site]:
    with services.redis() as redis, services.qdrant() as qdrant:
        settings = {"SEMANTIK_DATABASE_URL": server.url("load"), "SEMANTIK_REDIS_URL": redis, "SEMANTIK_QDRANT_URL": qdrant}
        with several.site(tmp_path, **settings) as opened:
            yield opened


class Looker(threading.Thread):
    """Looks all the time whether a document that counts as indexed has all of its chunks."""

    _TORN = """
        SELECT count(*) FROM documents d WHERE d.state = 'indexed'
        AND d.chunk_count <> (SELECT count(*) FROM chunks c WHERE c.document_id = d.id AND c.version = d.version)
    """

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.looks = self.torn = 0
        self._engine = sa.create_engine(url, poolclass=sa.NullPool)
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.2):
            try:
                with self._engine.connect() as connection:
                    self.torn += connection.execute(sa.text(self._TORN)).scalar_one()
                    self.looks += 1
            except sa.exc.OperationalError:
                # The server is down on purpose.
                continue

    def end(self) -> None:
        self._over.set()
        self.join()


@pytest.mark.timeout(900)
def test_a_database_killed_under_several_workers_loses_and_doubles_nothing(server: services.Postgres, site: Site, tmp_path: Path) -> None:
    api = several.set_up(*site.api())
    for _ in range(WORKERS):
        site.start("worker", "--concurrency", "1")
    looker = Looker(server.url("load"))
    looker.start()
    collections, jobs = [], []
    for number in range(COLLECTIONS):
        folder = _folder(tmp_path / f"plant-{number}", number)
        collections.append(api.post("/api/v1/collections", json={"name": f"Plant {number}"}).json()["id"])
        made = api.post(f"/api/v1/collections/{collections[-1]}/sources", json={"kind": "directory", "settings": {"path": str(folder)}})
        assert made.status_code == 201, made.text
        jobs.append(made.json()["last_job_id"])
    several.wait_for(
        lambda: True if several.rows(site, "documents WHERE indexed_at IS NOT NULL") >= DOCUMENTS // 8 else None, _why(site), 120
    )

    server.control.crash(1.0, signal.SIGKILL)
    assert several.rows(site, "documents WHERE indexed_at IS NOT NULL") < DOCUMENTS, "it was killed after the work was done"
    for job_id in jobs:
        job = _ended(api, job_id, within_s=120 + DOCUMENTS / 2)
        assert (job["status"], job["outcome"], job["counts"]["failed"]) == ("completed", "ok", 0), job
    looker.end()

    assert (looker.torn, looker.looks > 0) == (0, True)
    for number, collection in enumerate(collections):
        shown = api.get(f"/api/v1/collections/{collection}").json()
        assert (shown["ledger"]["listed"], shown["ledger"]["indexed"]) == (DOCUMENTS // COLLECTIONS, DOCUMENTS // COLLECTIONS)
        asked = {"query": f"which valve of plant {number} is inspection 7 about", "collections": [collection], "limit": 5}
        hits = api.post("/api/v1/search", json=asked).json()["hits"]
        assert any(f"Inspection 7 of plant {number} " in hit["passage"]["text"] for hit in hits)
    chunks = several.rows(site, "chunks")
    assert chunks > DOCUMENTS
    assert chunks == several.rows(site, "(SELECT DISTINCT document_id, ordinal FROM chunks) AS one")
    assert chunks == several.points(site)
    assert several.rows(site, "jobs WHERE lease_owner IS NOT NULL") == 0
    started = [line for line in server.control.log.splitlines() if "database system is ready" in line]
    assert len(started) == 2, "it was killed once"
    assert "deadlock detected" not in server.control.log


def _folder(folder: Path, plant: int) -> Path:
    folder.mkdir()
    for number in range(DOCUMENTS // COLLECTIONS):
        own = f"Inspection {number} of plant {plant} found valve {uuid.uuid4().hex[:6]} tight."
        (folder / f"report-{number:04}.md").write_text(f"# Agreement\n\n{_COMMON}\n\n# Report\n\n{own}\n")
    return folder


def _ended(api: httpx2.Client, job_id: str, within_s: float) -> dict[str, Any]:
    """The job once it has ended; while the database is away the answer is 503, and nothing else."""

    def look() -> dict[str, Any] | None:
        answer = api.get(f"/api/v1/jobs/{job_id}")
        assert answer.status_code in (200, 503), answer.text
        job: dict[str, Any] = answer.json()
        return job if answer.status_code == 200 and job["status"] in ("completed", "failed", "cancelled", "skipped") else None

    return several.wait_for(look, lambda: f"the job did not end: {api.get(f'/api/v1/jobs/{job_id}').text}", within_s)


def _why(site: Site) -> Any:
    return lambda: "\n".join(process.why() for process in site.started)
