"""A stand-in for a server, which gives any answer that a test wants to see shown.

It gives no field that the API does not have: each answer is held against the snapshot of the OpenAPI document.
"""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

API = json.loads((Path(__file__).parents[1] / "snapshots" / "openapi.json").read_text(encoding="utf-8"))


def strange(method: str, path: str, status: int, body: Any) -> list[str]:
    """The fields of an answer that the API never gives there."""
    for template, operations in API["paths"].items():
        if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", template), path) and method.lower() in operations:
            answers = operations[method.lower()]["responses"]
            given = answers.get(str(status)) or next(answers[code] for code in ("200", "201", "202", "204") if code in answers)
            content = given.get("content", {}).get("application/json")
            return _strange(body, content["schema"], path) if content else []
    return [f"{method} {path}"]


def _strange(body: Any, schema: Any, at: str) -> list[str]:
    if "anyOf" in schema:
        return min((_strange(body, one, at) for one in schema["anyOf"] if one.get("type") != "null"), key=len)
    if "$ref" in schema:
        return _strange(body, API["components"]["schemas"][schema["$ref"].rpartition("/")[2]], at)
    if isinstance(body, list):
        return [found for one in body for found in _strange(one, schema.get("items", {}), at)]
    if not isinstance(body, dict) or "properties" not in schema:
        return []
    known = schema["properties"]
    inside = [found for name in body.keys() & known.keys() for found in _strange(body[name], known[name], f"{at}.{name}")]
    return [f"{at}.{name}" for name in body.keys() - known.keys()] + inside


class StandIn:
    """Answers what is put into `answers`: by method and path below /api/v1, a status with a body, or a body alone."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, Any]] = []
        self.strange: list[str] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                path = self.path.partition("?")[0].removeprefix("/api/v1")
                text = self.rfile.read(int(self.headers.get("content-length") or 0))
                stand_in.asked.append((f"{self.command} {self.path.removeprefix('/api/v1')}", text))
                found = stand_in.answers.get(f"{self.command} {path}", (404, {"code": "nothing_here", "detail": f"nothing at {path}"}))
                status, body = found if isinstance(found, tuple) else (200, found)
                if status < 400:
                    stand_in.strange += strange(self.command, self.path.partition("?")[0], status, body)
                self.send_response(status)
                self.send_header("content-type", "application/problem+json" if status in (403, 404) else "application/json")
                self.end_headers()
                if body is not None:
                    self.wfile.write(json.dumps(body).encode())

            do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - names of the standard library

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
