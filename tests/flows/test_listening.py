"""What only a real server shows: refusals of a socket's handshake, and answers that do not wait for an ACK."""

from __future__ import annotations

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
    with log.open("wb") as output:
        command = [sys.executable, "-m", "semantik.entrypoints.cli.main", "serve"]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=folder)
    try:
        url, setup = _printed(log, process)
        body = {"token": setup, "email": "ada@example.org", "password": "four good words"}
        session = httpx2.post(f"{url}/api/v1/setup", json=body, timeout=30).json()
        yield Served(url, session["access_token"], log)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0, "it ends by itself, everything given back"


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
