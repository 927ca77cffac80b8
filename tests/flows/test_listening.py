"""What only a real server shows: refusals of a socket's handshake, and answers that do not wait for an ACK."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

pytestmark = pytest.mark.slow


@dataclass
class Served:
    url: str
    token: str
    log: Path

    @property
    def socket(self) -> str:
        return self.url.replace("http", "ws", 1) + "/ws/jobs"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`semantik serve` as a person starts it, on a port that is free, set up in the browser's way."""
    folder = tmp_path_factory.mktemp("served")
    log = folder / "log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEMANTIK_")}
    environment |= {"SEMANTIK_DATA_DIR": str(folder / "data"), "SEMANTIK_EMBEDDING_MODEL": "hashing", "SEMANTIK_PORT": "18080"}
    process = _serve(folder, environment, log)
    try:
        url, setup = _printed(log, process)
        body = {"token": setup, "email": "ada@example.org", "password": "four good words"}
        session = httpx2.post(f"{url}/api/v1/setup", json=body, timeout=30).json()
        yield Served(url, session["access_token"], log)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0, "it ends by itself, everything given back"


def _serve(folder: Path, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        command = [sys.executable, "-m", "semantik.entrypoints.cli.main", "serve"]
        return subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=folder)


def _printed(log: Path, process: subprocess.Popen[bytes]) -> tuple[str, str]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"(http://\S+)/setup#token=([\w-]+)", log.read_text(errors="replace")):
            return found[1], found[2]
        time.sleep(0.1)
    raise AssertionError(f"the server did not start:\n{log.read_text(errors='replace')}")


def test_an_answer_never_waits_for_an_ack(served: Served) -> None:
    times = []
    with httpx2.Client(base_url=served.url) as client:
        for _ in range(60):
            started_at = time.perf_counter()
            client.get("/healthz")
            times.append(time.perf_counter() - started_at)
    # Nagle's algorithm and a delayed ACK together cost 40 ms each time; alone, an answer takes about one.
    assert statistics.quantiles(times, n=10)[0] < 0.02


def test_a_page_with_a_token_is_let_in(served: Served) -> None:
    offered = [Subprotocol("semantik"), Subprotocol(f"bearer.{served.token}")]
    with connect(served.socket, subprotocols=offered, origin=Origin(served.url)) as socket:
        assert socket.subprotocol == "semantik"
        assert '"snapshot"' in str(socket.recv(timeout=10))


def test_a_program_without_credentials_fails_the_handshake_with_a_problem(served: Served) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(served.socket):
        pass
    assert refused.value.response.status_code == 401
    assert b'"unauthenticated"' in bytes(refused.value.response.body or b"")


def test_a_foreign_page_fails_the_handshake_even_with_a_token(served: Served) -> None:
    offered = [Subprotocol("semantik"), Subprotocol(f"bearer.{served.token}")]
    with pytest.raises(InvalidStatus) as refused, connect(served.socket, subprotocols=offered, origin=Origin("http://evil.example")):
        pass
    assert refused.value.response.status_code == 403


def test_our_page_with_a_dead_token_reads_why(served: Served) -> None:
    offered = [Subprotocol("semantik"), Subprotocol("bearer.dead")]
    with connect(served.socket, subprotocols=offered, origin=Origin(served.url)) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, "token_invalid")


def test_none_of_this_looks_like_a_failure_in_the_log(served: Served) -> None:
    text = served.log.read_text(errors="replace")
    assert "Traceback" not in text
    assert '"level": "error"' not in text
    assert served.token not in text


@pytest.mark.long
def test_a_client_that_comes_back_after_the_server_was_killed_sees_every_number_once_and_in_order(tmp_path: Path) -> None:
    """kill -9 in the middle of an ingest, twice; the client goes on after the last number it has, in the same address."""
    papers = tmp_path / "papers"
    papers.mkdir()
    for number in range(300):
        (papers / f"{number:03}.md").write_text(f"# Sheet {number}\n\n" + f"The {number}th valve was opened and closed again. " * 200)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEMANTIK_")}
    environment |= {"SEMANTIK_DATA_DIR": str(tmp_path / "data"), "SEMANTIK_EMBEDDING_MODEL": "hashing", "SEMANTIK_PORT": "18180"}
    logs = [tmp_path / f"log{number}" for number in range(3)]
    process = _serve(tmp_path, environment, logs[0])
    try:
        url, setup = _printed(logs[0], process)
        body = {"token": setup, "email": "ada@example.org", "password": "four good words"}
        session = httpx2.post(f"{url}/api/v1/setup", json=body, timeout=30).json()
        headers = {"Authorization": f"Bearer {session['access_token']}"}
        with httpx2.Client(base_url=f"{url}/api/v1", headers=headers, timeout=60) as client:
            collection = client.post("/collections", json={"name": "Papers"}).json()["id"]
            source = {"kind": "directory", "settings": {"path": str(papers)}}
            job_id = client.post(f"/collections/{collection}/sources", json=source).json()["last_job_id"]
        numbers: list[int] = []
        ended = ""
        for life, log in enumerate(logs):
            if life > 0:
                process.kill()
                process.wait(timeout=30)
                process = _serve(tmp_path, environment, log)
                url = _answers(log, process)
            ended = _listen(url, session["access_token"], job_id, numbers, at_least=len(numbers) + 3 if life < 2 else None)
        assert ended == "job.completed"
        assert numbers == list(range(1, len(numbers) + 1))
        seen = httpx2.get(f"{url}/api/v1/jobs/{job_id}", headers=headers, timeout=30).json()
        assert seen["seq"] == len(numbers)
        assert seen["losses"] >= 1, "it was killed at work"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def _answers(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text(errors="replace")):
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"the server did not start again:\n{log.read_text(errors='replace')}")


def _listen(url: str, token: str, job_id: str, numbers: list[int], *, at_least: int | None) -> str:
    """Adds what comes to `numbers` until there are so many, or until the job ends; returns the type of the last message."""
    socket_url = f"{url.replace('http', 'ws', 1)}/ws/jobs/{job_id}"
    after = numbers[-1] if numbers else 0
    with connect(socket_url, subprotocols=[Subprotocol("semantik"), Subprotocol(f"bearer.{token}")], open_timeout=30) as socket:
        socket.send(json.dumps({"type": "subscribe", "after": after}))
        while True:
            message = json.loads(socket.recv(timeout=60))
            if message.get("seq") is None or message["type"] == "snapshot":
                continue
            numbers.append(message["seq"])
            if message["type"] == "job.completed" or len(numbers) == at_least:
                return str(message["type"])
