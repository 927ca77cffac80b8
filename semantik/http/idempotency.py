"""Idempotency-Key: a request that creates a job may be sent again, or twenty times at once, and is carried out once.

    router = APIRouter(..., route_class=UnitOfWork)

    @router.post("/sources/{source_id}/sync", dependencies=[KEYED])

The answer is written in the very transaction of the job, so there is never one without the other. Twins that run side by
side are settled by the key's row at the end: one commits, the others are rolled back and give the winner's answer. A
request that failed changed nothing and leaves its key free. Keys belong to a tenant and are kept for a day.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Header
from fastapi.requests import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.datastructures import FormData, UploadFile

from semantik.http.dependencies import Admin, CurrentRuntime, Writer, WriteSession
from semantik.jobs.store import requests
from semantik.jobs.store.requests import Answer
from semantik.kit.concurrency import run_cpu
from semantik.kit.database import AsyncSession
from semantik.kit.errors import Conflict, SemantikError
from semantik.kit.files import PIECE_BYTES

if TYPE_CHECKING:
    from semantik.runtime import Runtime

_ASKED = "semantik.idempotency"

_Handle = Callable[[Request], Coroutine[Any, Any, Response]]


class IdempotencyMismatch(Conflict):
    code = "idempotency_key_reused"
    title = "This Idempotency-Key was used for another request"
    default_hint = "Use a fresh key for a new request."


class AnsweredBefore(Exception):
    """Rolls back whatever this request began; the answer is the earlier one."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("answered before")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class _Asked:
    key: str
    tenant_id: str
    request_hash: str
    session: AsyncSession
    runtime: Runtime

    async def look(self) -> None:
        """Raises `AnsweredBefore` or `IdempotencyMismatch`. A session of its own: the request's may hold the write lock for it."""
        async with self.runtime.database.read(self.tenant_id) as session:
            answer = await requests.earlier(session, self.tenant_id, self.key)
        if answer is None:
            return
        if answer.request_hash != self.request_hash:
            raise IdempotencyMismatch(f"the Idempotency-Key {self.key!r} belongs to another request of the last 24 hours")
        raise AnsweredBefore(answer)

    async def remember(self, response: Response) -> None:
        answer = Answer(self.request_hash, response.status_code, bytes(response.body).decode() or None)
        if not await requests.remember(self.session, self.tenant_id, self.key, answer):
            await self.look()


_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Any text of your own, new for each request. Sent again with the same request within 24 hours, it brings the "
        "first answer (marked by `Idempotency-Replayed: true`) and starts nothing; with another request, 409.",
    ),
]


async def _keyed(request: Request, actor: Writer, runtime: CurrentRuntime, session: WriteSession, key: _Key = None) -> None:
    if key is None:
        return
    asked = _Asked(key, actor.tenant_id, await _hash(request), session, runtime)
    await asked.look()
    request.scope[_ASKED] = asked


async def _keyed_by_admin(request: Request, actor: Admin, runtime: CurrentRuntime, session: WriteSession, key: _Key = None) -> None:
    await _keyed(request, actor, runtime, session, key)


KEYED = Depends(_keyed)
# For a route that only an administrator may call: a route declares one access rule.
KEYED_BY_ADMIN = Depends(_keyed_by_admin)


def takes_key(route: APIRoute) -> bool:
    """Whether the route obeys an Idempotency-Key."""
    return isinstance(route, KeyedRoute) and any(dependency.dependency in (_keyed, _keyed_by_admin) for dependency in route.dependencies)


class KeyedRoute(APIRoute):
    """Remembers the answers of routes that declare `KEYED`; leaves other routes as they are. `UnitOfWork` is one."""

    def get_route_handler(self) -> _Handle:
        handle = super().get_route_handler()
        if not takes_key(self):
            return handle

        async def keyed(request: Request) -> Response:
            try:
                response = await handle(request)
            except SemantikError:
                # A twin may have got ahead and left this one nothing to do: then its answer is ours.
                if (asked := request.scope.get(_ASKED)) is not None:
                    await asked.look()
                raise
            if (asked := request.scope.get(_ASKED)) is not None:
                await asked.remember(response)
            return response

        return keyed


def replay(error: AnsweredBefore) -> Response:
    headers = {"Idempotency-Replayed": "true"}
    body = error.answer.body
    return Response(body, error.answer.status, headers, media_type="application/json" if body is not None else None)


async def _hash(request: Request) -> str:
    """Over method, address and content; of a form, over what its parts hold and not over how they were wrapped."""
    digest = hashlib.sha256(f"{request.method}\n{request.url.path}\n{request.url.query}\n".encode())
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data":
        await run_cpu(_add_form, digest, await request.form())
    else:
        digest.update(_canonical(await request.body()))
    return digest.hexdigest()


def _canonical(body: bytes) -> bytes:
    """Equal JSON is the same request, however it is spaced."""
    try:
        return json.dumps(json.loads(body), sort_keys=True).encode()
    except ValueError:
        return body


def _add_form(digest: Any, form: FormData) -> None:
    for name, value in form.multi_items():
        digest.update(f"\n{name}\n".encode("utf-8", "surrogatepass"))
        if isinstance(value, UploadFile):
            digest.update((value.filename or "").encode("utf-8", "surrogatepass") + b"\n")
            while piece := value.file.read(PIECE_BYTES):
                digest.update(piece)
            value.file.seek(0)
        else:
            digest.update(value.encode("utf-8", "surrogatepass"))
