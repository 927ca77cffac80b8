"""Lets the command line use the app in its own process as the machine's owner, past tokens but not past access rules.

In process, the proof is an object in the ASGI scope. A server builds that scope itself and fills it from the network only with
known keys, so no request from outside can carry it. Towards a running server, it is `OwnerCredential`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from semantik.auth.actor import Actor
from semantik.http.dependencies import LOCAL_ACTOR


@dataclass(frozen=True, slots=True)
class OwnerCredential:
    """The machine's owner over the network of that machine: a bearer that stands in the owner's lock file, mode 0600.

    It is new with every start of the server, so a copy is worth nothing after a restart.
    """

    actor: Actor
    token: str = field(repr=False)

    def proves(self, bearer: str) -> bool:
        return secrets.compare_digest(self.token.encode(), bearer.encode("utf-8", "surrogatepass"))


def as_local(app: ASGIApp, actor: Actor) -> ASGIApp:
    """The same app, each of whose requests comes from `actor`. For in-process transports only; never serve it."""

    async def local(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope = {**scope, LOCAL_ACTOR: actor}
        await app(scope, receive, send)

    return local
