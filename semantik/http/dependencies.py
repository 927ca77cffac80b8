"""What a route asks for: a session, the runtime, and the one access rule that every route declares.

    @router.get("/collections/{collection_id}")
    async def read(collection_id: str, actor: Reader, session: ReadSession) -> Collection: ...

    @router.get("/setup", dependencies=[PUBLIC])
    async def needed(session: ReadSession) -> SetupState: ...

`WriteSession` commits when the handler has returned and before the answer is sent (FastAPI's scope "function"), so a
2xx is durable; any exception rolls back. Both sessions are closed before a streamed body starts: a route that streams
opens its own with `runtime.database.read()`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends
from fastapi.requests import HTTPConnection
from starlette.background import BackgroundTask

from semantik.auth import credentials
from semantik.auth.actor import Actor, Scope
from semantik.http import sockets
from semantik.kit import logs
from semantik.kit.clock import now
from semantik.kit.database import AsyncSession, Database
from semantik.kit.errors import Forbidden
from semantik.kit.walls import EVERY_TENANT

if TYPE_CHECKING:
    from semantik.runtime import Runtime
else:
    # Routes name the type only for the reader: FastAPI would otherwise resolve it, and with it every engine's port.
    Runtime = Any

# Put into the ASGI scope by `http/local.py` alone: no server fills it from the network.
LOCAL_ACTOR = "semantik.local_actor"
_TOUCH_EVERY = timedelta(minutes=1)


class ScopeMissing(Forbidden):
    code = "scope_missing"
    title = "These credentials may not do that"


def current_runtime(connection: HTTPConnection) -> Runtime:
    runtime: Runtime = connection.app.state.runtime
    return runtime


async def _runtime(connection: HTTPConnection) -> Runtime:
    # Asynchronous, because FastAPI sends every other function to a thread and waits for it.
    return current_runtime(connection)


CurrentRuntime = Annotated[Runtime, Depends(_runtime)]


# Where the access rule leaves whose rows the request may see; without one, nobody's.
_TENANT = "semantik.tenant"


def _tenant_of(connection: HTTPConnection) -> Callable[[], str]:
    """Asked with the first statement, when every rule of the route has been met."""
    return lambda: str(connection.scope.get(_TENANT, ""))


async def _read_session(runtime: CurrentRuntime, connection: HTTPConnection) -> AsyncIterator[AsyncSession]:
    async with runtime.database.read(_tenant_of(connection)) as session:
        yield session


async def _write_session(runtime: CurrentRuntime, connection: HTTPConnection) -> AsyncIterator[AsyncSession]:
    async with runtime.database.write(_tenant_of(connection)) as session:
        yield session
        await session.commit()


ReadSession = Annotated[AsyncSession, Depends(_read_session, scope="function")]
WriteSession = Annotated[AsyncSession, Depends(_write_session, scope="function")]


async def authenticate(connection: HTTPConnection, bearer: str | None) -> Actor:
    """The actor behind a bearer, in a short session of its own. Raises a subclass of `Unauthenticated`."""
    local = connection.scope.get(LOCAL_ACTOR)
    if isinstance(local, Actor):
        return local
    if not bearer:
        raise credentials.CredentialsMissing("this needs credentials")
    if (owner := getattr(connection.app.state, "owner", None)) is not None and owner.proves(bearer):
        found: Actor = owner.actor
        return found
    runtime = current_runtime(connection)
    async with runtime.database.lookup() as session:
        proven = await credentials.resolve(session, runtime.keyring, bearer)
    if proven.actor.via == "key" and (proven.key_used_at is None or now() - proven.key_used_at > _TOUCH_EVERY):
        if connection.scope["type"] == "websocket":
            await _touch(runtime.database, str(proven.actor.credential_id))
        else:
            after_response(connection, _touch, runtime.database, str(proven.actor.credential_id))
    return proven.actor


def bearer_of(connection: HTTPConnection) -> str | None:
    """What stands in Authorization: Bearer, or among a socket's subprotocols."""
    scheme, _, value = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    return sockets.bearer(connection) if connection.scope["type"] == "websocket" else None


async def _current_actor(connection: HTTPConnection) -> Actor:
    if connection.scope["type"] == "websocket":
        sockets.check_origin(connection, current_runtime(connection).settings)
    actor = await authenticate(connection, bearer_of(connection))
    connection.scope[_TENANT] = actor.tenant_id
    logs.bind_contextvars(tenant_id=actor.tenant_id)
    return actor


@lru_cache
def requires(scope: Scope) -> Callable[[Actor], Awaitable[Actor]]:
    """The access rule "an actor who may `scope`": one function for each scope, so that a test can find it on a route."""

    async def rule(actor: Annotated[Actor, Depends(_current_actor)]) -> Actor:
        if not actor.may(scope):
            raise ScopeMissing(
                f"this needs the scope {scope.value}, and these credentials have {actor.scope.value}",
                hint="Ask an admin, or use an API key with a wider scope.",
                needed=scope.value,
            )
        return actor

    return declares(scope.value)(rule)


def declares(rule: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Marks a dependency as an access rule; `rule_of` reads the mark. tests/http fails on a route without exactly one."""

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        function.access_rule = rule  # type: ignore[attr-defined]  # a mark on a function has no typed spelling
        return function

    return mark


def rule_of(function: Any) -> str | None:
    rule = getattr(function, "access_rule", None)
    return rule if isinstance(rule, str) else None


@declares("public")
async def public(connection: HTTPConnection) -> None:
    """Anyone may call this, credentials or not: it is here that tenants are found out, so no wall stands yet."""
    connection.scope[_TENANT] = EVERY_TENANT


PUBLIC = Depends(public)
Public = Annotated[None, PUBLIC]
Reader = Annotated[Actor, Depends(requires(Scope.READ))]
Writer = Annotated[Actor, Depends(requires(Scope.WRITE))]
Admin = Annotated[Actor, Depends(requires(Scope.ADMIN))]


async def still_allowed(connection: HTTPConnection, actor: Actor) -> bool:
    """Whether the credential behind a long-lived socket or stream still holds: ask once a minute."""
    if actor.credential_id is None:
        return True
    async with current_runtime(connection).database.read() as session:
        return await credentials.alive(session, actor)


def after_response(connection: HTTPConnection, function: Callable[..., Awaitable[None]], *arguments: object) -> None:
    """Runs `function` once the answer is out; `http/middleware.py` awaits what is left here."""
    connection.scope.setdefault("semantik.after", []).append(BackgroundTask(function, *arguments))


async def _touch(database: Database, key_id: str) -> None:
    async with database.write() as session:
        await credentials.touch_key(session, key_id, now())
        await session.commit()
