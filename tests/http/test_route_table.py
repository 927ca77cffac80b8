"""Every route of the real app declares exactly one access rule; whatever does not is named here, or fails."""

from __future__ import annotations

import httpx2
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from semantik.entrypoints import api
from semantik.http.openapi import rules_of, undeclared
from semantik.http.unit_of_work import UnitOfWork
from semantik.runtime import Runtime

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

# What anybody may call without credentials. A line here is a decision; so is a line taken out.
PUBLIC = {
    ("GET", "/api/v1/setup"),
    ("POST", "/api/v1/setup"),
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/v1/auth/logout"),
    ("GET", "/api/v1/version"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/docs/errors"),
    ("GET", "/docs/assets/{name}"),
    ("GET", "/{path:path}"),
}


async def test_no_route_socket_or_mount_is_open_by_accident(runtime: Runtime) -> None:
    app = api.build(runtime)
    assert undeclared(app) == []
    contexts = list(iter_route_contexts(app.routes))
    public = {
        (method, context.path)
        for context in contexts
        if rules_of(context.dependant) == {"public"}
        for method in (context.methods or {"SOCKET"})
    }
    assert public == PUBLIC


async def test_whoever_has_no_credentials_gets_401_from_every_other_route(runtime: Runtime) -> None:
    app = api.build(runtime)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://semantik") as client:
        for context in iter_route_contexts(app.routes):
            rules = rules_of(context.dependant)
            if not isinstance(context.original_route, APIRoute) or rules & {"public", "metrics token"}:
                continue
            for method in context.methods or ():
                address = str(context.path_format).replace("{", "").replace("}", "")
                answer = await client.request(method, address)
                assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json"), f"{method} {address}"


async def test_a_reader_may_call_no_route_that_writes(runtime: Runtime) -> None:
    """A route that changes something asks for more than `read`; these few are questions with a body, or the caller's own affair."""
    questions = {"/api/v1/search", "/api/v1/chunking/preview", "/api/v1/me/password"}
    for context in iter_route_contexts(api.build(runtime).routes):
        if (context.methods or set()) - {"GET", "HEAD"} and rules_of(context.dependant) == {"read"}:
            assert context.path in questions, f"{context.methods} {context.path}"


async def test_every_route_of_the_api_is_a_unit_of_work(runtime: Runtime) -> None:
    routes = [context.original_route for context in iter_route_contexts(api.build(runtime).routes)]
    ours = [route for route in routes if isinstance(route, APIRoute) and route.path.startswith("/api/v1/")]
    assert len(ours) > 50
    assert [route.path for route in ours if not isinstance(route, UnitOfWork)] == []
