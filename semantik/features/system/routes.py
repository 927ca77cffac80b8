"""HTTP of the system itself: liveness, readiness, health, metrics, version, and the API's own documentation."""

from __future__ import annotations

import hmac
from importlib import resources
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

import semantik
from semantik.features.system import errors_page, gauges, health, schemas
from semantik.http.dependencies import PUBLIC, CurrentRuntime, Reader, bearer_of, declares
from semantik.http.problems import RouteUnknown
from semantik.http.unit_of_work import UnitOfWork
from semantik.kit.metrics import exposition

router = APIRouter(tags=["system"], route_class=UnitOfWork)
pages = APIRouter(include_in_schema=False)

_ASSETS = {"docs.css": "text/css", "docs.js": "text/javascript"}


@declares("metrics token")
async def _metrics_token(request: Request, runtime: CurrentRuntime) -> None:
    """Closed unless a token is set and sent. The refusal is that of an unknown address: it does not say that there is a door."""
    wanted = runtime.settings.metrics_token
    given = bearer_of(request) or ""
    if wanted is None or not hmac.compare_digest(wanted.get_secret_value().encode(), given.encode("utf-8", "replace")):
        raise RouteUnknown(f"there is nothing at {request.scope['path']}")


@router.get("/healthz", dependencies=[PUBLIC])
async def alive(runtime: CurrentRuntime) -> schemas.Alive:
    """Answers as long as the process works: 503 when one of its background loops died"""
    runtime.loops.check()
    return schemas.Alive()


def _checks(request: Request) -> health.Checks:
    checks: health.Checks = request.app.state.checks
    return checks


Checks = Annotated[health.Checks, Depends(_checks)]


@router.get("/readyz", dependencies=[PUBLIC], responses={503: {"model": schemas.Ready, "description": "The database does not answer"}})
async def ready(checks: Checks, response: Response) -> schemas.Ready:
    """Says whether requests can be served, and which parts are well: 503 without the database alone"""
    parts = await checks.recent()
    if not health.serves(parts):
        response.status_code = 503
    return schemas.Ready.of(parts)


@router.get("/health/full", responses={503: {"model": schemas.Health, "description": "A part is down"}})
async def full_health(checks: Checks, _: Reader, response: Response) -> schemas.Health:
    """Says how each part is and how long it took to answer: 503 as soon as one is down"""
    parts = await checks.now()
    if any(part.state == "down" for part in parts):
        response.status_code = 503
    return schemas.Health.of(parts)


@pages.get("/metrics", dependencies=[Depends(_metrics_token)])
async def metrics(runtime: CurrentRuntime) -> Response:
    await gauges.refresh(runtime.database)
    body, content_type = exposition()
    return Response(body, headers={"Content-Type": content_type})


@router.get("/api/v1/version", dependencies=[PUBLIC])
async def version(runtime: CurrentRuntime) -> schemas.Version:
    """Says which version answers and how it is run"""
    settings = runtime.settings
    outside = (settings.database_url, settings.redis_url, settings.qdrant_url)
    return schemas.Version(version=semantik.__version__, commit=_commit(), mode="server" if any(outside) else "embedded")


@pages.get("/openapi.json", dependencies=[PUBLIC])
async def openapi(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi(), headers={"Cache-Control": "no-cache"})


@pages.get("/docs", dependencies=[PUBLIC])
async def docs() -> HTMLResponse:
    return HTMLResponse(_asset("docs.html"))


@pages.get("/docs/assets/{name}", dependencies=[PUBLIC])
async def docs_asset(name: str, request: Request) -> Response:
    if name not in _ASSETS:
        raise RouteUnknown(f"there is nothing at {request.scope['path']}")
    return Response(_asset(name), media_type=_ASSETS[name], headers={"Cache-Control": "no-cache"})


@pages.get("/docs/errors", dependencies=[PUBLIC])
async def docs_errors() -> HTMLResponse:
    return HTMLResponse(errors_page.render())


def _asset(name: str) -> str:
    return (resources.files("semantik.features.system") / "pages" / name).read_text(encoding="utf-8")


def _commit() -> str | None:
    """Written beside the package when an image or wheel is built."""
    file = Path(semantik.__file__).with_name("COMMIT")
    return file.read_text(encoding="ascii").strip()[:40] if file.is_file() else None


router.include_router(pages)
