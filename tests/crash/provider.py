"""A real HTTP server on loopback that embeds as an OpenAI-compatible provider does, and keeps the bill."""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

DIMENSIONS = 32


class Provider:
    """`charged` counts how often each text was embedded. A vector depends on its text alone; an answer takes `delay_s`."""

    def __init__(self, delay_s: float = 0.05) -> None:
        self.charged: Counter[str] = Counter()
        self.requests = 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = json.dumps(provider.answer(asked)).encode()
                time.sleep(delay_s)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (ConnectionError, ValueError):
                    # The client was killed.
                    self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        texts: list[str] = asked["input"]
        with self._lock:
            self.requests += 1
            # One text is asked at each start, to learn the size of the vectors.
            self.charged.update(text for text in texts if text != "dimensions")
        rows = [{"object": "embedding", "index": place, "embedding": _vector(text)} for place, text in enumerate(texts)]
        usage = {"prompt_tokens": sum(len(text) // 4 for text in texts), "total_tokens": sum(len(text) // 4 for text in texts)}
        return {"object": "list", "model": asked["model"], "data": rows, "usage": usage}

    def __enter__(self) -> Provider:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _vector(text: str) -> list[float]:
    chance = random.Random(hashlib.sha256(text.encode()).digest())
    return [chance.uniform(-1, 1) for _ in range(DIMENSIONS)]
