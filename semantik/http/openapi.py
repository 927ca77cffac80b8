"""Finishes the OpenAPI document: who may call what, which problems may come back, and a name for each operation."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from semantik.http.dependencies import rule_of
from semantik.http.problems import MEDIA_TYPE, Problem

_SUMMARY = "Index your files, search them by meaning and keyword, cite the page."
_DESCRIPTION = (
    "Times are ISO 8601 in UTC, ids are UUIDs, lists page by `cursor` and `next_cursor`. Every error is a problem (RFC 9457) with a stable "
    "`code`; quote its `request_id` when you report one. Work that takes longer than a request answers 202 with a `job_id`."
)
_TITLES = {
    400: ("unreadable_body", "The body cannot be read"),
    401: ("unauthenticated", "Log in first"),
    403: ("forbidden", "Not allowed"),
    404: ("not_found", "Not found"),
    409: ("conflict", "The request does not fit the present state"),
    413: ("too_large", "Too large"),
    415: ("wrong_media_type", "This media type is not understood here"),
    422: ("invalid_input", "The request holds a value that cannot be used"),
    429: ("rate_limited", "Too many requests"),
    503: ("unavailable", "Not available at the moment"),
}


def install(app: FastAPI, *, version: str) -> None:
    """Makes `app.openapi()` answer the finished document, built once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build(app, version=version)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI documents this as the way


def build(app: FastAPI, *, version: str) -> dict[str, Any]:
    document = get_openapi(
        title="Semantik", version=version, openapi_version="3.1.0", summary=_SUMMARY, description=_DESCRIPTION, routes=app.routes
    )
    components = document.setdefault("components", {})
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "An access token from /api/v1/auth/login, or an API key (sk_...)."},
        "refreshCookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": "semantik_refresh",
            "description": "Read by /auth/refresh and /auth/logout only.",
        },
    }
    schemas = components.setdefault("schemas", {})
    # Every 422 is one of our problems; FastAPI's own shape is never sent.
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    components["responses"] = {_name(status): _problem(status) for status in _TITLES}
    components["responses"]["problem"] = {"description": "Any other problem", "content": {MEDIA_TYPE: {"schema": _REF}}}
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                operation = document["paths"][route.path_format].get(method.lower())
                if operation is not None:
                    _finish(operation, route)
    return document


def rules_of(dependant: Dependant) -> set[str]:
    """The access rules among a route's dependencies, at any depth."""
    rules = {rule for child in dependant.dependencies for rule in rules_of(child)}
    own = rule_of(dependant.call)
    return rules | {own} if own else rules


def undeclared(app: FastAPI) -> list[str]:
    """The addresses of all routes, sockets and mounts without exactly one access rule. A mount declares none: it has no dependencies."""
    found = []
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route, "dependant", None)
        if dependant is None or len(rules_of(dependant)) != 1:
            found.append(str(getattr(route, "path", route)))
    return sorted(found)


def operation_id(route: RouteContext) -> str:
    """`<tag>_<function>`: what generated clients call it."""
    tag = str(route.tags[0]) if route.tags else "root"
    return f"{tag}_{route.name}"


def _finish(operation: dict[str, Any], route: RouteContext) -> None:
    operation["operationId"] = operation_id(route)
    lines = (route.endpoint.__doc__ or "").strip().splitlines()
    if lines:
        operation["summary"] = lines[0].rstrip(".")
        operation.pop("description", None)
        rest = "\n".join(line.strip() for line in lines[1:]).strip()
        if rest:
            operation["description"] = rest
    guarded = bool(rules_of(route.dependant) & {"read", "write", "admin"})
    statuses = {422, 429}
    if guarded:
        operation["security"] = [{"bearer": []}]
        statuses |= {401, 403}
    else:
        operation["security"] = []
    path = route.path or ""
    if "{" in path:
        statuses.add(404)
    if "requestBody" in operation:
        statuses |= {400, 409, 413, 415}
    if path.startswith("/api/v1/auth/") or path == "/api/v1/setup":
        statuses |= {401, 403}
    statuses.add(503)
    for status in sorted(statuses):
        existing = operation["responses"].get(str(status))
        if existing is None or status == 422:
            operation["responses"][str(status)] = _response(_name(status))
    operation["responses"]["default"] = _response("problem")


_REF = {"$ref": "#/components/schemas/Problem"}


def _response(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{name}"}


def _name(status: int) -> str:
    return _TITLES[status][0]


def _problem(status: int) -> dict[str, Any]:
    code, title = _TITLES[status]
    example = {
        "type": f"/docs/errors#{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": "what happened, with the values in it",
        "hint": None,
        "instance": "/api/v1/...",
        "request_id": "01990b5e-7f0a-7cc1-b0a4-6d9a3d6f2f11",
    }
    return {"description": title, "content": {MEDIA_TYPE: {"schema": _REF, "example": example}}}
