"""The real application as a benchmark sees it: `semantik serve` in a process of its own, a client, and what its processes take."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psutil

from semantik.kit.ownership import present_owner

_CHILDREN = {"optimi": "index optimiser", "edge": "vector index", "extract": "document reader", "resource_tracker": "resource tracker"}
METRICS_TOKEN = "bench-metrics-token-of-this-process"


@dataclass(slots=True)
class App:
    """A running server. `http` speaks for the machine's owner; `started_s` is the time from spawn to ready."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    address: str
    token: str
    started_s: float
    http: httpx2.Client

    def call(self, method: str, path: str, **options: Any) -> Any:
        answer = self.http.request(method, path, **options)
        if answer.status_code >= 400:
            raise SystemExit(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
        return answer.json() if answer.content else None

    def collection(self, name: str, **settings: Any) -> str:
        return str(self.call("POST", "/api/v1/collections", json={"name": name, **settings})["id"])

    def ingest_folder(self, collection: str, folder: Path, *, timeout_s: float = 3600) -> tuple[dict[str, Any], float]:
        """Adds the folder as a source and waits for its job; the job, and seconds from request to its end."""
        started = time.perf_counter()
        job = self.wait(self.add_folder(collection, folder), timeout_s=timeout_s)
        return job, time.perf_counter() - started

    def add_folder(self, collection: str, folder: Path) -> str:
        """Adds the folder as a source; the id of the job that reads it."""
        body = {"kind": "directory", "settings": {"path": str(folder)}}
        return str(self.call("POST", f"/api/v1/collections/{collection}/sources", json=body)["last_job_id"])

    def wait(self, job_id: str, *, timeout_s: float = 3600) -> dict[str, Any]:
        """The job once it has ended: its stream of events ends with it, where asking again and again would be work of the server."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            events = self.http.stream("GET", f"/api/v1/jobs/{job_id}/events", headers={"Accept": "text/event-stream"})
            with events as answer:
                if answer.status_code != 200:
                    raise SystemExit(f"the events of job {job_id} answered {answer.status_code}")
                for _ in answer.iter_raw():
                    if time.monotonic() > until:
                        break
            job: dict[str, Any] = self.call("GET", f"/api/v1/jobs/{job_id}")
            if job["finished_at"] is not None:
                return job
        raise SystemExit(f"job {job_id} did not end within {timeout_s:.0f} s")

    def settle(self, *, timeout_s: float = 900) -> None:
        """Waits until no job runs: an index that had to be rebuilt is whole, what was deleted is gone."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if all(job["finished_at"] is not None for job in self.call("GET", "/api/v1/jobs?limit=50")["items"]):
                return
            time.sleep(0.5)
        raise SystemExit("the server's jobs did not end in time")

    def search(self, query: str, **body: Any) -> dict[str, Any]:
        return dict(self.call("POST", "/api/v1/search", json={"query": query, **body}))

    def stage_seconds(self) -> dict[str, float]:
        """Sum of the seconds that documents spent in each stage, from /metrics."""
        answer = self.http.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
        found = {}
        for line in answer.text.splitlines():
            if line.startswith("semantik_ingest_stage_seconds_sum{"):
                found[line.split('stage="')[1].split('"')[0]] = float(line.rsplit(" ", 1)[1])
        return found

    def processes(self) -> list[psutil.Process]:
        try:
            parent = psutil.Process(self.process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


@contextmanager
def serving(data_dir: Path | None = None, *, timeout_s: float = 180, **settings: object) -> Iterator[App]:
    """Starts the server on a free port and a folder of its own (or `data_dir`); ends it at the close."""
    with tempfile.TemporaryDirectory(prefix="semantik-bench-") as scratch:
        folder = data_dir or Path(scratch) / "data"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SEMANTIK_")}
        environment |= {"SEMANTIK_METRICS_TOKEN": METRICS_TOKEN, "SEMANTIK_LOG_LEVEL": "error"}
        environment |= {f"SEMANTIK_{name.upper()}": str(value) for name, value in settings.items()}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        log = Path(scratch) / "server.log"
        command = [sys.executable, "-m", "semantik.entrypoints.cli.main", "--data-dir", str(folder), "serve", "--port", "0"]
        started = time.perf_counter()
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=scratch)
        try:
            address, token = _ready(process, folder, log, timeout_s)
            taken = time.perf_counter() - started
            headers = {"Authorization": f"Bearer {token}"}
            with httpx2.Client(base_url=address, headers=headers, timeout=600, trust_env=False) as http:
                yield App(process, folder, address, token, taken, http)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _ready(process: subprocess.Popen[bytes], folder: Path, log: Path, timeout_s: float) -> tuple[str, str]:
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"semantik serve ended with {process.returncode}:\n{log.read_text(errors='replace')[-2000:]}")
        owner = present_owner(folder)
        if owner is not None and owner.address and owner.token:
            try:
                if httpx2.get(owner.address + "/readyz", timeout=5, trust_env=False).status_code == 200:
                    return owner.address, owner.token
            except httpx2.TransportError:
                pass
        time.sleep(0.02)
    raise SystemExit(f"semantik serve was not ready within {timeout_s:.0f} s:\n{log.read_text(errors='replace')[-2000:]}")


@dataclass(slots=True)
class Part:
    """One process of the server: what it is, its PSS (shared pages counted by share), its CPU seconds and those of its ended children.

    `own_mib`: of the PSS what is no page of a file, which the system would take back when it needs room.
    """

    name: str
    pid: int
    pss_mib: float
    own_mib: float
    cpu_s: float


def parts(app: App) -> list[Part]:
    found = []
    for process in app.processes():
        try:
            times = process.cpu_times()
            # With what its children used that have ended: readers are replaced after some documents.
            used = times.user + times.system + times.children_user + times.children_system
            found.append(Part(_name(process, app), process.pid, *_pss_mib(process.pid), used))
        except psutil.Error:
            continue
    return found


def _name(process: psutil.Process, app: App) -> str:
    if process.pid == app.process.pid:
        return "server (API, jobs, embedding)"
    line = " ".join(process.cmdline())
    return next((name for word, name in _CHILDREN.items() if word in line), str(process.name()))


def _pss_mib(pid: int) -> tuple[float, float]:
    """All, and without pages of files."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0, 0.0
    found = {line.split()[0]: int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss")}
    return found.get("Pss:", 0.0), found.get("Pss:", 0.0) - found.get("Pss_File:", 0.0)


@dataclass(slots=True)
class Watch:
    """Samples the memory of all processes five times a second while it is open."""

    app: App
    peak_mib: float = 0.0
    own_peak_mib: float = 0.0
    peak_parts: list[Part] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _sample(self) -> None:
        while not self._stop.is_set():
            now = parts(self.app)
            total = sum(part.pss_mib for part in now)
            self.own_peak_mib = max(self.own_peak_mib, sum(part.own_mib for part in now))
            if total > self.peak_mib:
                self.peak_mib, self.peak_parts = total, now
            self._stop.wait(0.2)
