"""Builds the HTTP app around a runtime: middleware, problems, every feature's routes, the web UI."""

from __future__ import annotations

import importlib
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from fastapi.telemetry import TelemetryConfig

from semantik import __version__
from semantik.features.system.health import Checks
from semantik.http import middleware, openapi, problems
from semantik.http.dependencies import PUBLIC
from semantik.http.problems import RouteUnknown
from semantik.runtime import Runtime

WEB_UI = Path(__file__).parents[1] / "webui"

# In the order in which the reference shows them.
FEATURES = (
    "accounts",
    "collections",
    "sources",
    "ingestion",
    "documents",
    "archives",
    "search",
    "activity",
    "dead_letters",
    "workers",
    "schedules",
    "system",
)

# FastAPI would make spans, metrics and logs of its own, with addresses in them, as soon as variables of the environment ask for it.
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}

# Paths of the API and its kin: an unknown one is a problem, never the web UI's page.
_NOT_PAGES = ("api/", "ws/", "docs", "openapi.json", "healthz", "readyz", "health/", "metrics", "assets/")


def build(runtime: Runtime, *, web_ui: Path = WEB_UI) -> FastAPI:
    """The app; `runtime` is opened and closed by the caller."""
    app = FastAPI(title="Semantik", version=__version__, docs_url=None, redoc_url=None, openapi_url=None, telemetry=_NO_TELEMETRY)
    app.state.runtime = runtime
    app.state.checks = Checks(runtime)
    problems.install(app)
    middleware.install(app, runtime.settings)
    for feature in FEATURES:
        app.include_router(importlib.import_module(f"semantik.features.{feature}.routes").router)
    app.include_router(importlib.import_module("semantik.features.activity.live").router)
    app.include_router(importlib.import_module("semantik.features.system.routes").pages)
    openapi.install(app, version=__version__)
    _serve_pages(app, web_ui)
    return app


def _serve_pages(app: FastAPI, web_ui: Path) -> None:
    @app.get("/{path:path}", include_in_schema=False, dependencies=[PUBLIC])
    async def page(path: str) -> Response:
        """A file of the built web UI; any other address is one of its pages. Without a build, a sentence says so."""
        if path.startswith(_NOT_PAGES) and not (web_ui / path).is_file():
            raise RouteUnknown(f"there is nothing at /{path}")
        file = (web_ui / path).resolve()
        if path and file.is_file() and file.is_relative_to(web_ui.resolve()):
            lasting = "public, max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"
            return FileResponse(file, headers={"Cache-Control": lasting})
        index = web_ui / "index.html"
        if index.is_file():
            return FileResponse(index, headers={"Cache-Control": "no-cache"})
        return Response(
            "The web UI was not built. The API is at /api/v1, its reference at /docs.\n", media_type="text/plain; charset=utf-8"
        )
