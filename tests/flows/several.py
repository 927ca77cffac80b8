"""Semantik as several processes: API replicas, workers and a scheduler on one PostgreSQL, one Redis and one vector server."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import sqlalchemy as sa

from semantik.kit import settings

T = TypeVar("T")

ACCOUNT = {"email": "ada@example.org", "password": "four good words"}


@dataclass
class Process:
    """One `semantik ...`, with what it wrote."""

    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log lines that are JSON: all but what a person at a terminal reads."""
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]

    def until(self, pattern: str, within_s: float = 60) -> re.Match[str]:
        return wait_for(lambda: re.search(pattern, self.text), self.why, within_s, self.popen)

    def kill(self) -> None:
        """kill -9 of the process and of every child it has."""
        os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(20)

    def stop(self, within_s: float = 60) -> int:
        """SIGTERM to the main process alone, as a supervisor does; returns the exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(within_s)

    def why(self) -> str:
        return f"process {self.popen.args!r} (ended with {self.popen.poll()}) said:\n{self.text[-3000:]}"


@dataclass
class Site:
    """`environment` is what every process gets; `start` runs one."""

    folder: Path
    environment: dict[str, str]
    started: list[Process] = field(default_factory=list)

    @property
    def broker(self) -> str:
        return settings.load(self.environment, None).broker

    def start(self, *arguments: str, **environment: str) -> Process:
        log = self.folder / f"{len(self.started)}-{arguments[0]}.log"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SEMANTIK_")}
        command = [sys.executable, "-m", "semantik.entrypoints.cli.main", *arguments]
        with log.open("wb") as output:
            popen = subprocess.Popen(
                command,
                env=clean | self.environment | environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        process = Process(popen, log)
        self.started.append(process)
        return process

    def api(self) -> tuple[Process, str]:
        """A replica that answers, and its address."""
        process = self.start("serve", "--port", "0")
        return process, process.until(r"ready at (http://\S+)")[1]

    def worker(self, *arguments: str, **environment: str) -> Process:
        """A worker that has opened everything."""
        process = self.start("worker", *arguments, **environment)
        process.until("worker process ready")
        return process

    def close(self) -> None:
        for process in self.started:
            if process.popen.poll() is None:
                process.popen.terminate()
        for process in self.started:
            with suppress(subprocess.TimeoutExpired):
                process.popen.wait(15)
            if process.popen.poll() is None:
                process.kill()


@contextmanager
def site(folder: Path, **environment: str) -> Iterator[Site]:
    common = {
        "SEMANTIK_DATA_DIR": str(folder / "data"),
        "SEMANTIK_EMBEDDING_MODEL": "hashing",
        "SEMANTIK_OCR": "false",
        "SEMANTIK_LOG_FORMAT": "json",
        "SEMANTIK_JOB_LEASE_TTL_S": "3",
    }
    opened = Site(folder, common | environment)
    try:
        yield opened
    finally:
        opened.close()


def set_up(process: Process, address: str) -> httpx2.Client:
    """Creates the first account in the browser's way; returns a client of that replica."""
    token = process.until(r"/setup#token=([\w-]+)")[1]
    made = httpx2.post(f"{address}/api/v1/setup", json={"token": token, **ACCOUNT}, timeout=30)
    assert made.status_code < 300, made.text
    return client(address, made.json()["access_token"])


def client(address: str, token: str) -> httpx2.Client:
    return httpx2.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False)


def ended(api: httpx2.Client, job_id: str, within_s: float = 60) -> dict[str, Any]:
    """The job once it has ended."""

    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = api.get(f"/api/v1/jobs/{job_id}").json()
        return job if job["status"] in ("completed", "failed", "cancelled", "skipped") else None

    return wait_for(look, lambda: f"the job did not end: {api.get(f'/api/v1/jobs/{job_id}').text}", within_s)


def wait_for(look: Callable[[], T | None], why: Callable[[], str], within_s: float, popen: subprocess.Popen[bytes] | None = None) -> T:
    """What `look` finds, once it finds something."""
    end = time.monotonic() + within_s
    while True:
        found = look()
        if found is not None:
            return found
        assert time.monotonic() < end and (popen is None or popen.poll() is None), why()
        time.sleep(0.05)


def points(site: Site) -> int:
    """Points in the vector server, over all of its collections."""
    with httpx2.Client(base_url=site.environment["SEMANTIK_QDRANT_URL"], trust_env=False) as qdrant:
        names = [one["name"] for one in qdrant.get("/collections").json()["result"]["collections"]]
        return sum(qdrant.post(f"/collections/{name}/points/count", json={"exact": True}).json()["result"]["count"] for name in names)


def rows(site: Site, what: str) -> int:
    """Rows of a table, or of whatever may follow FROM."""
    engine = sa.create_engine(site.environment["SEMANTIK_DATABASE_URL"], poolclass=sa.NullPool)
    with engine.connect() as connection:
        count = connection.execute(sa.text(f"SELECT count(*) FROM {what}")).scalar_one()
    engine.dispose()
    return int(count)
