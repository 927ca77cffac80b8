"""Lets the command line use the app in its own process as the machine's owner, past tokens but not past access rules.

The proof is an object in the ASGI scope. A server builds that scope itself and fills it from the network only with
known keys, so no request from outside can carry it: there is no secret that could leak.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from semantik.auth.actor import Actor
from semantik.http.dependencies import LOCAL_ACTOR


def as_local(app: ASGIApp, actor: Actor) -> ASGIApp:
    """The same app, each of whose requests comes from `actor`. For in-process transports only; never serve it."""

    async def local(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope = {**scope, LOCAL_ACTOR: actor}
        await app(scope, receive, send)

    return local
