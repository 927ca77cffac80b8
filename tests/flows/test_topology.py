"""Two API replicas, two workers and a scheduler: one of each first two is killed in mid-ingest, and the numbers add up."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.flows import several
from tests.flows.several import Process, Site
from tests.jobs.forks import until_state

pytestmark = [pytest.mark.long, pytest.mark.crash]

FILES = 90


class Watcher(threading.Thread):
    """A page that watches all jobs through one replica's socket."""

    def __init__(self, address: str, token: str) -> None:
        super().__init__(daemon=True)
        self.messages: list[dict[str, Any]] = []
        self._address, self._token = address, token
        self._open = threading.Event()
        self.start()
        assert self._open.wait(30), "the socket never opened"

    def run(self) -> None:
        offered = [Subprotocol("semantik"), Subprotocol(f"bearer.{self._token}")]
        url = self._address.replace("http", "ws", 1) + "/ws/jobs"
        with connect(url, subprotocols=offered, origin=Origin(self._address)) as socket, contextlib.suppress(ConnectionClosed):
            for message in socket:
                self.messages.append(json.loads(message))
                self._open.set()

    def stored(self, job_id: str) -> list[dict[str, Any]]:
        """The events of the job that are kept, as they came."""
        return [one for one in self.messages if one.get("job_id") == job_id and one.get("seq") is not None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "reports"
    root.mkdir()
    for number in range(FILES):
        (root / f"report-{number:02}.md").write_text(f"# Report {number}\n\nValve {number} was inspected and found tight.\n")
    return root


def _started(site: Site) -> tuple[Process, Process, str, str]:
    """Both replicas, started at once as a cluster does, with their addresses."""
    both = [site.start("serve", "--port", "0") for _ in range(2)]
    first, second = (process.until(r"ready at (http://\S+)")[1] for process in both)
    return both[0], both[1], first, second


def test_a_killed_worker_and_a_killed_replica_change_nothing_of_the_result(site: Site, folder: Path) -> None:
    doomed = site.start("worker", "--concurrency", "1", SEMANTIK_TEST_FAILPOINTS="ingest_published=stop@1")
    scheduler = site.start("scheduler")
    doomed_api, other_api, doomed_address, address = _started(site)
    token = _set_up(site, address)
    one, two = several.client(doomed_address, token), several.client(address, token)
    watcher = Watcher(address, token)

    collection = one.post("/api/v1/collections", json={"name": "Reports"}).json()["id"]
    body = {"kind": "directory", "settings": {"path": str(folder)}}
    made = one.post(f"/api/v1/collections/{collection}/sources", json=body)
    assert made.status_code == 201, made.text
    job_id = made.json()["last_job_id"]
    owner = several.wait_for(lambda: _owner(two, job_id), doomed.why, 60)
    assert until_state(owner, "T", within_s=60) == "T", "the job stands still after its first group"
    survivor = site.worker("--concurrency", "1", "--pool", "threads")
    doomed.kill()
    doomed_api.kill()
    job = several.ended(two, job_id, 90)

    assert (job["status"], job["outcome"]) == ("completed", "ok"), job
    attempts = two.get(f"/api/v1/jobs/{job_id}/attempts").json()["items"]
    assert sorted(attempt["how"] for attempt in attempts) == ["completed", "lost"]
    shown = two.get(f"/api/v1/collections/{collection}").json()
    assert (shown["ledger"]["listed"], shown["ledger"]["indexed"], shown["ledger"]["pending"]) == (FILES, FILES, 0)
    assert shown["chunks"] == FILES
    assert (several.rows(site, "chunks"), several.points(site)) == (FILES, FILES)
    hits = two.post("/api/v1/search", json={"query": "was valve 77 found tight", "limit": 5}).json()["hits"]
    assert any("Valve 77 " in hit["passage"]["text"] for hit in hits)

    several.wait_for(lambda: any(one["type"] == "job.completed" for one in watcher.stored(job_id)) or None, other_api.why, 20)
    numbers = [one["seq"] for one in watcher.stored(job_id)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "every event once and in order"
    states = {one["id"].split(":")[1]: one["state"] for one in two.get("/api/v1/workers").json()["items"]}
    assert sorted(states.values()) in (["silent", "up"], ["up", "up"]), "the dead one is shown as silent after a minute"
    assert scheduler.stop() == 0
    assert survivor.stop() == 0
    assert other_api.stop() == 0


def _set_up(site: Site, address: str) -> str:
    """The access token of the first account. Of two replicas that start at once, the set-up token of the later one counts."""
    for one in site.started:
        printed = re.search(r"/setup#token=([\w-]+)", one.text)
        if printed is None:
            continue
        token = printed[1]
        answer = httpx2.post(f"{address}/api/v1/setup", json={"token": token, **several.ACCOUNT}, timeout=30)
        if answer.status_code < 300:
            return str(answer.json()["access_token"])
    raise AssertionError("no set-up token was taken")


def _owner(api: httpx2.Client, job_id: str) -> int | None:
    """The process that holds the job, once it has published something."""
    job = api.get(f"/api/v1/jobs/{job_id}").json()
    attempts = api.get(f"/api/v1/jobs/{job_id}/attempts").json()["items"]
    return int(attempts[0]["owner"].split(":")[1]) if attempts and job["counts"]["done"] else None
