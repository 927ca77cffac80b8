"""A collector of OpenTelemetry traces on loopback: what was sent to it, span by span."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Seen:
    """One span. `trace`, `id` and `parent` in hexadecimal digits."""

    name: str
    trace: str
    id: str
    parent: str
    links: list[str]
    failed: str
    attributes: dict[str, Any]
    service: str


@dataclass
class Collector:
    url: str
    spans: list[Seen] = field(default_factory=list)

    def find(self, wanted: Callable[[Seen], bool]) -> Seen | None:
        return next((one for one in self.spans if wanted(one)), None)

    async def wait(self, wanted: Callable[[Seen], bool], within_s: float = 20) -> Seen:
        """The first span that is wanted, once it has come."""
        deadline = time.monotonic() + within_s
        while (found := self.find(wanted)) is None:
            assert time.monotonic() < deadline, f"no such span among {sorted({one.name for one in self.spans})}"
            await asyncio.sleep(0.05)
        return found


@contextmanager
def collector() -> Iterator[Collector]:
    class Receive(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            for resource in request.resource_spans:
                service = _attributes(resource.resource.attributes)["service.name"]
                made.spans.extend(_seen(one, service) for scope in resource.scope_spans for one in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Nobody reads a line for each batch."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receive)
    made = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _seen(span: Any, service: str) -> Seen:
    return Seen(
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        links=[one.trace_id.hex() for one in span.links],
        failed=span.status.message if span.status.code == 2 else "",
        attributes=_attributes(span.attributes),
        service=service,
    )


def _attributes(given: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in given}
