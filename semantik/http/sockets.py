"""WebSockets: who may open one, from which page, and how a refusal reaches a browser.

A browser can set no header on a WebSocket, so the access token comes as a subprotocol:
`new WebSocket(url, ["semantik", "bearer." + token])`; the server answers with "semantik". Programs may send
`Authorization: Bearer` instead. Both are checked before the socket is accepted, by the same access rules as routes
(`actor: Reader`), and a foreign Origin is refused first.

Refusals: a program sees the handshake fail with 401 or 403 and a problem body. A browser hides a failed handshake
from the page, so for one of our own pages the socket is accepted and closed at once, with nothing in between:
4401 = log in or refresh, 4403 = not allowed, 4404 = not there, 4422 = the address does not fit, 4429, 4500.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi.requests import HTTPConnection
from fastapi.responses import Response
from fastapi.websockets import WebSocket
from starlette.websockets import WebSocketState

from semantik.kit.errors import Forbidden, SemantikError
from semantik.kit.settings import Settings

PROTOCOL = "semantik"
_BEARER = "bearer."
_MAX_REASON_BYTES = 120


class OriginRefused(Forbidden):
    code = "origin_refused"
    default_hint = "Set SEMANTIK_PUBLIC_URL to the address users see, or name the origin in SEMANTIK_CORS_ORIGINS."


def bearer(connection: HTTPConnection) -> str | None:
    """The access token or API key among the offered subprotocols."""
    for offered in _offered(connection):
        if offered.startswith(_BEARER):
            return offered.removeprefix(_BEARER)
    return None


def check_origin(connection: HTTPConnection, settings: Settings) -> None:
    """Raises `OriginRefused` for a page that is not ours. Programs send no Origin and pass: their token is the proof."""
    origin = connection.headers.get("origin")
    if origin is None:
        return
    allowed = set(settings.cors_origins)
    if settings.public_url:
        public = urlsplit(settings.public_url)
        allowed.add(f"{public.scheme}://{public.netloc}")
    host = connection.headers.get("host", "")
    if origin not in allowed and (not host or _host_of(origin) != host.lower()):
        raise OriginRefused(f"a page of {origin[:200]} may not open this socket")


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # brackets that hold no IPv6 address
        return None


async def accept(socket: WebSocket) -> None:
    """Accepts, naming our subprotocol where it was offered: a browser drops the socket otherwise."""
    await socket.accept(subprotocol=PROTOCOL if PROTOCOL in _offered(socket) else None)


async def refuse(socket: WebSocket, error: SemantikError, answer: Response) -> None:
    """Ends a socket, opened or not, for `error`; `answer` is the problem for a client that can read a handshake."""
    if socket.application_state is WebSocketState.DISCONNECTED or socket.client_state is WebSocketState.DISCONNECTED:
        return
    if socket.application_state is WebSocketState.CONNECTING:
        from_page = socket.headers.get("origin") is not None and not isinstance(error, OriginRefused)
        if not from_page:
            if "websocket.http.response" in socket.scope.get("extensions", {}):
                await socket.send_denial_response(answer)
            else:
                await socket.close(code_of(error), _reason(error))
            return
        await accept(socket)
    await socket.close(code_of(error), _reason(error))


def code_of(error: SemantikError) -> int:
    return 4000 + error.status


def _reason(error: SemantikError) -> str:
    return error.code.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")


def _offered(connection: HTTPConnection) -> list[str]:
    return [part.strip() for part in connection.headers.get("sec-websocket-protocol", "").split(",") if part.strip()]
