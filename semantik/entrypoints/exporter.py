"""Serves the metrics of one worker: what its processes counted, added up from the files they count in.

A process of its own, ended with its worker: the parent of a prefork worker must start no thread before it forks, and its
children come and go. Closed without the token, like /metrics of the API.
"""

from __future__ import annotations

import hmac
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from semantik.kit.errors import Misconfigured
from semantik.kit.scratch import temporary_folder
from semantik.kit.settings import Settings

# Named here, not imported: this module must be loaded before anything that counts.
_SHARED = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def counted(settings: Settings) -> Iterator[None]:
    """Sets up the folder that this worker's processes count in, and the exporter. Does nothing without SEMANTIK_WORKER_METRICS_PORT.

    To be entered before anything is imported that declares metrics.
    """
    if settings.worker_metrics_port is None:
        yield
        return
    if settings.metrics_token is None:
        raise Misconfigured("SEMANTIK_WORKER_METRICS_PORT is set, and no SEMANTIK_METRICS_TOKEN that would open it")
    assert "prometheus_client" not in sys.modules, "too late: metrics were declared already"
    with temporary_folder() as folder:
        os.environ[_SHARED] = str(folder)
        command = [sys.executable, "-m", "semantik.entrypoints.exporter", str(folder), settings.host, str(settings.worker_metrics_port)]
        exporter = subprocess.Popen(command, stdin=subprocess.PIPE)
        assert exporter.stdin is not None
        exporter.stdin.write(settings.metrics_token.get_secret_value().encode() + b"\n")
        exporter.stdin.flush()
        try:
            yield
        finally:
            exporter.stdin.close()
            exporter.wait(10)


def main() -> None:
    # Ctrl+C reaches the whole terminal; the worker still counts while it drains.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder, host, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    token = sys.stdin.buffer.readline().strip()
    server = ThreadingHTTPServer((host, port), _handler(folder, token))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # The worker holds the other end: it closes with the worker, however that ends.
    sys.stdin.buffer.read()
    server.shutdown()


def _handler(folder: Path, token: bytes) -> type[BaseHTTPRequestHandler]:
    from semantik.kit.metrics import exposition_of

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = (self.headers.get("Authorization") or "").removeprefix("Bearer ").encode("utf-8", "replace")
            if self.path != "/metrics" or not hmac.compare_digest(token, given):
                self.send_error(404)
                return
            body, content_type = exposition_of(folder)
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads a line for each scrape."""

    return Metrics


if __name__ == "__main__":
    main()
