"""One Semantik to break: `semantik serve` alone on a data folder, or an API and a worker on PostgreSQL, Redis and a vector server."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from semantik.engines.vectors.base import VectorStore
from semantik.engines.vectors.edge import EdgeStore
from semantik.engines.vectors.qdrant import QdrantStore
from semantik.kit.database import Database, open_database
from tests import services
from tests.conftest import administer
from tests.crash.lab import prepare
from tests.crash.servers import Broker
from tests.flows.several import ACCOUNT
from tests.jobs.forks import KILLED, Zygote, family, state

_TEMPLATE = "template_ingest"


@dataclass
class Part:
    """A process that runs, and the moment from which on it counts as alive."""

    pid: int
    log: Path
    started: float

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def ended(self) -> bool:
        return state(self.pid) == "Z"

    @property
    def stopped(self) -> int | None:
        """The process of it that stands at a fail point."""
        return next((pid for pid in family(self.pid) if state(pid) == "T"), None)


class Site:
    """`parts` are the processes that ought to run, `api` and, on a server, `worker`; `start` starts one that does not."""

    def __init__(self, zygote: Zygote, data_dir: Path, environment: dict[str, str], url: str | None, broker: Broker | None) -> None:
        self.data_dir = data_dir
        self.broker = broker
        self.parts: dict[str, Part | None] = {"api": None}
        if broker is not None:
            self.parts["worker"] = None
        self._url = url
        self._zygote = zygote
        self._lives = 0
        self._environment = {
            "SEMANTIK_DATA_DIR": str(data_dir),
            "SEMANTIK_EMBEDDING_MODEL": "remote:counting",
            "SEMANTIK_OCR": "false",
            "SEMANTIK_EXTRACT_WORKERS": "1",
            "SEMANTIK_LOG_FORMAT": "json",
            "SEMANTIK_JOB_LEASE_TTL_S": "3",
            **environment,
        }

    @property
    def worker(self) -> str:
        """The part that reads and embeds."""
        return "api" if self.broker is None else "worker"

    @property
    def index_process(self) -> int | None:
        """The child that holds the index of an embedded one."""
        part = self.parts["api"]
        below = family(part.pid)[1:] if part is not None else []
        return next((pid for pid in below if "semantik.engines.vectors.edge_process" in _command(pid)), None)

    @property
    def pool_child(self) -> int | None:
        """The fork of a prefork worker that works on jobs: like its parent it was never anything but a fork of the zygote."""
        part = self.parts["worker"]
        below = family(part.pid)[1:] if part is not None else []
        return next((pid for pid in below if part is not None and _command(pid) == _command(part.pid)), None)

    @property
    def address(self) -> str | None:
        part = self.parts["api"]
        found = re.search(r"ready at (http://\S+)", part.text) if part is not None else None
        return found[1] if found is not None else None

    def start(self, name: str, failpoints: str = "", pool: str = "prefork") -> Part:
        self._lives += 1
        log = self.data_dir.parent / f"{self._lives}-{name}.log"
        arguments = ["serve", "--port", "0"] if name == "api" else ["worker", "--concurrency", "1", "--pool", pool]
        pid = self._zygote.start(arguments=arguments, environment=self._environment, log=str(log), failpoints=failpoints)
        part = Part(pid, log, time.monotonic())
        self.parts[name] = part
        return part

    def kill(self, name: str, *, alone: bool = False) -> None:
        """kill -9 of all its processes; `alone`: of the main process, whose children are left behind."""
        part = self.parts[name]
        assert part is not None
        with suppress(ProcessLookupError):
            (os.kill if alone else os.killpg)(part.pid, signal.SIGKILL)
        self.reap(name, KILLED)

    def reap(self, name: str, *expected: int) -> None:
        part = self.parts[name]
        assert part is not None
        status = self._zygote.wait(part.pid)
        self.parts[name] = None
        assert status in expected, f"{name} ended by itself with {status}: {part.text[-600:]}"

    def go_on(self) -> None:
        """Wakes whatever stands at a fail point."""
        for part in self.parts.values():
            if part is not None and part.stopped is not None:
                with suppress(ProcessLookupError):
                    os.killpg(part.pid, signal.SIGCONT)

    def end(self) -> None:
        """SIGTERM, as a supervisor does. What does not end within 30 seconds is killed, and told of."""
        for name in reversed(list(self.parts)):
            part = self.parts[name]
            if part is None:
                continue
            self.go_on()
            os.kill(part.pid, signal.SIGTERM)
            until = time.monotonic() + 30
            while not part.ended and time.monotonic() < until:
                time.sleep(0.02)
            with suppress(ProcessLookupError):
                os.killpg(part.pid, signal.SIGKILL)
            self.reap(name, 0)

    def close(self) -> None:
        """Leaves nothing running, whatever state it is in."""
        for name, part in self.parts.items():
            if part is not None:
                with suppress(AssertionError):
                    self.kill(name)

    def database(self) -> Database:
        return open_database(self._url or f"sqlite:///{self.data_dir / 'semantik.db'}", pool_size=2)

    def vectors(self) -> VectorStore:
        url = self._environment.get("SEMANTIK_QDRANT_URL")
        return QdrantStore(url) if url is not None else EdgeStore(self.data_dir / "index")


class Ground:
    """What sites stand on: the servers they need, and a template with one account, so that each starts as a copy of it."""

    def __init__(self, mode: str) -> None:
        assert mode in ("embedded", "server")
        self.mode = mode
        self.key = ""
        self.zygote = Zygote("tests.crash.zygote")
        self._stack = ExitStack()
        self._folder = Path(tempfile.mkdtemp(prefix="semantik-crash-"))
        self._server: services.Postgres | None = None

    def __enter__(self) -> Ground:
        if self.mode == "server":
            self._server = self._stack.enter_context(services.postgres())
            prepare(self._server, _TEMPLATE)
        with self.servers() as servers:
            self._make_template(servers)
        return self

    def __exit__(self, *_: object) -> None:
        self.zygote.close()
        self._stack.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def servers(self) -> Iterator[dict[str, Any]]:
        """A Redis and a vector server for one line of sites."""
        if self.mode == "embedded":
            yield {}
            return
        broker = Broker()
        try:
            with services.qdrant() as vectors:
                yield {"broker": broker, "vectors": vectors}
        finally:
            broker.close()

    @contextmanager
    def site(self, servers: dict[str, Any], provider: str) -> Iterator[Site]:
        """A fresh copy of the template."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        name = f"ingest_{uuid.uuid4().hex[:10]}"
        shutil.copytree(self._folder / "template" / "data", folder / "data")
        if self._server is not None:
            administer(self._server, f'CREATE DATABASE "{name}" TEMPLATE "{_TEMPLATE}" STRATEGY file_copy')
            _empty(servers["vectors"])
            servers["broker"].flush()
        site = self._open(folder / "data", servers, name, {"SEMANTIK_REMOTE_EMBEDDING_URL": provider})
        try:
            yield site
        finally:
            site.close()
            if self._server is not None:
                administer(self._server, f'DROP DATABASE "{name}" WITH (FORCE)')
            shutil.rmtree(folder, ignore_errors=True)

    def _open(self, data_dir: Path, servers: dict[str, Any], name: str, environment: dict[str, str]) -> Site:
        if self._server is None:
            return Site(self.zygote, data_dir, environment, None, None)
        url, broker = self._server.url(name), servers["broker"]
        shared = {"SEMANTIK_DATABASE_URL": url, "SEMANTIK_REDIS_URL": broker.url, "SEMANTIK_QDRANT_URL": servers["vectors"]}
        return Site(self.zygote, data_dir, environment | shared, url, broker)

    def _make_template(self, servers: dict[str, Any]) -> None:
        folder = self._folder / "template"
        folder.mkdir()
        site = self._open(folder / "data", servers, _TEMPLATE, {"SEMANTIK_EMBEDDING_MODEL": "hashing"})
        part = site.start("api")
        try:
            until = time.monotonic() + 90
            while not (found := re.search(r"/setup#token=([\w-]+)", part.text)):
                assert time.monotonic() < until and not part.ended, f"it did not start: {part.text[-2000:]}"
                time.sleep(0.05)
            with httpx2.Client(base_url=f"{site.address}/api/v1", timeout=30, trust_env=False) as client:
                made = client.post("/setup", json={"token": found[1], **ACCOUNT}).raise_for_status()
                client.headers["Authorization"] = f"Bearer {made.json()['access_token']}"
                self.key = client.post("/api-keys", json={"name": "crash", "scope": "write"}).raise_for_status().json()["key"]
            site.end()
        finally:
            site.close()


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").replace("\0", " ")
    return ""


def _empty(vectors: str) -> None:
    for one in httpx2.get(f"{vectors}/collections", trust_env=False).json()["result"]["collections"]:
        httpx2.delete(f"{vectors}/collections/{one['name']}", trust_env=False)
