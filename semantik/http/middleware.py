"""What holds for every request alike: its id, one log line, metrics, headers, and the last place that catches everything."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.requests import HTTPConnection
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from semantik.http import bodies, problems
from semantik.kit import logs, metrics, traces
from semantik.kit.errors import SemantikError
from semantik.kit.ids import new_id
from semantik.kit.settings import Settings

log = logs.get(__name__)

REQUEST_ID = "X-Request-ID"
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# Pages of the web UI: its own files only, no inline script or style, never in a frame.
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# Everything else is data: a browser that shows it runs nothing.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_ONE_YEAR_S = 365 * 86400
# Asked every few seconds by machines: their lines would bury the others.
_QUIET = {"/healthz", "/readyz", "/metrics"}


def install(app: FastAPI, settings: Settings) -> None:
    """Wraps the app. A proxy's https counts through `public_url`, this server's own through the scheme."""
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PATCH", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-Requested-With", REQUEST_ID, "Last-Event-ID", "Idempotency-Key", "Range"],
            expose_headers=[REQUEST_ID, "Retry-After", "Idempotency-Replayed", "Content-Disposition", "Content-Range"],
        )
    # Added last, so it stands outermost.
    app.add_middleware(RequestBoundary, settings=settings)


class RequestBoundary:
    """The outermost frame of a request. Pure ASGI: streams and sockets pass through without a task of their own."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._max_body_bytes = settings.request_max_bytes
        self._https = (settings.public_url or "").startswith("https:")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        scope["semantik.request_id"] = _request_id(connection)
        logs.clear_contextvars()
        logs.bind_contextvars(request_id=scope["semantik.request_id"])
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        await self._http(scope, receive, send, connection)

    async def _http(self, scope: Scope, receive: Receive, send: Send, connection: HTTPConnection) -> None:
        if scope["path"] in _QUIET:
            await self._answer(scope, receive, send, connection)
            return
        with traces.request(
            scope["semantik.request_id"], connection.headers.get("traceparent"), {"http.request.method": scope["method"]}
        ) as span:
            status = await self._answer(scope, receive, send, connection)
            span.name(f"{scope['method']} {_route(scope)}")
            span.add({"http.route": _route(scope), "http.response.status_code": status})
            if status >= 500:
                span.fail(str(status))

    async def _answer(self, scope: Scope, receive: Receive, send: Send, connection: HTTPConnection) -> int:
        """The status that was sent."""
        started_at = time.perf_counter()
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(scope, MutableHeaders(scope=message))
            await send(message)

        try:
            bodies.check_address(scope)
            await self._app(scope, bodies.checked(scope, receive, max_bytes=self._max_body_bytes), send_on)
        except ClientDisconnect:
            status = status or 499
        except SemantikError as error:
            # Raised outside the routes, where the app's own handlers do not reach.
            if status:
                raise
            await problems.respond(connection, error)(scope, receive, send_on)
        except Exception:
            log.exception("request broke", method=scope["method"], path=scope["path"])
            if status:
                # Half an answer is out: only a cut connection tells the client so.
                raise
            await problems.internal(connection)(scope, receive, send_on)
        finally:
            _account(scope, status or 500, time.perf_counter() - started_at)
        for task in scope.get("semantik.after", ()):
            await _after(task)
        return status or 500

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except WebSocketDisconnect:
            return
        except Exception:
            log.exception("socket broke", path=scope["path"])
            raise

    def _add_headers(self, scope: Scope, headers: MutableHeaders) -> None:
        headers[REQUEST_ID] = scope["semantik.request_id"]
        for name, value in _ALWAYS.items():
            headers.setdefault(name, value)
        is_page = headers.get("content-type", "").startswith("text/html")
        headers.setdefault("Content-Security-Policy", PAGE_POLICY if is_page else DATA_POLICY)
        if scope["path"].startswith("/api/"):
            headers.setdefault("Cache-Control", "no-store")
        if self._https or scope["scheme"] == "https":
            headers.setdefault("Strict-Transport-Security", f"max-age={_ONE_YEAR_S}")


def _request_id(connection: HTTPConnection) -> str:
    given = connection.headers.get(REQUEST_ID, "")
    if _SANE_REQUEST_ID.fullmatch(given):
        return given
    # Whoever traces its requests finds ours by the number of its trace.
    upstream = traces.parent_of(connection.headers.get("traceparent"))
    return upstream.trace if upstream is not None else new_id()


def _account(scope: Scope, status: int, seconds: float) -> None:
    route = _route(scope)
    method = scope["method"] if scope["method"] in _METHODS else "(other)"
    metrics.HTTP_REQUESTS.labels(method, route, str(status)).inc()
    metrics.HTTP_SECONDS.labels(method, route).observe(seconds)
    say: Callable[..., Any] = log.debug if scope["path"] in _QUIET else log.info
    # The path only: a query string can hold what a user searched for.
    say("request", method=scope["method"], path=scope["path"], status=status, ms=round(seconds * 1000, 1))


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", None) or "(none)"


# A client may invent methods without end; each would be a time series.
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


async def _after(task: Callable[[], Any]) -> None:
    try:
        await task()
    except SemantikError as error:
        log.warning("work after the answer failed", code=error.code, detail=error.detail)
