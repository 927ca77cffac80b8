"""A server whose parts go away one after the other: what goes on, what says so, and that all comes back by itself."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from semantik import migrations
from tests import services
from tests.flows import several

pytestmark = [pytest.mark.long, pytest.mark.crash]


@dataclass
class Server:
    """A replica and a worker; live events and doorbells go through a Redis each."""

    api: httpx2.Client
    collection: str
    events: services.Redis
    broker: services.Redis
    postgres: services.Postgres

    def parts(self) -> tuple[int, dict[str, Any]]:
        answer = self.api.get("/health/full")
        return answer.status_code, {part["name"]: part for part in answer.json()["parts"]}

    def until_well(self) -> None:
        """All by itself: nobody starts anything anew."""
        several.wait_for(lambda: self.parts()[0] == 200 or None, lambda: f"it did not recover: {self.parts()}", 60)

    def upload(self, text: str) -> str:
        files = [("files", (f"{uuid.uuid4().hex}.txt", text.encode()))]
        answer = self.api.post(f"/api/v1/collections/{self.collection}/uploads", files=files)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def finds(self, query: str) -> bool:
        answer = self.api.post("/api/v1/search", json={"query": query, "limit": 3})
        assert answer.status_code == 200, answer.text
        return any(query in hit["passage"]["text"] for hit in answer.json()["hits"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """On a PostgreSQL of its own, since it crashes."""
    folder = tmp_path_factory.mktemp("away")
    with (
        services.postgres(durable=True) as postgres,
        services.redis_server() as events,
        services.redis_server() as broker,
        services.qdrant() as qdrant,
    ):
        url = postgres.url("postgres")
        migrations.upgrade(url)
        settings = {"SEMANTIK_DATABASE_URL": url, "SEMANTIK_QDRANT_URL": qdrant}
        settings |= {"SEMANTIK_REDIS_URL": events.url, "SEMANTIK_BROKER_URL": broker.url}
        with several.site(folder, **settings) as site:
            process, address = site.api()
            api = several.set_up(process, address)
            site.worker("--concurrency", "1", "--pool", "threads")
            collection = api.post("/api/v1/collections", json={"name": "Reports"}).json()["id"]
            opened = Server(api, collection, events, broker, postgres)
            several.ended(api, opened.upload("The boiler was replaced."))
            opened.until_well()
            yield opened


@pytest.mark.parametrize("part", ["redis", "broker"])
def test_without_one_redis_searches_answer_jobs_run_and_the_part_is_named(server: Server, part: str) -> None:
    gone = server.events if part == "redis" else server.broker
    code = "events_unavailable" if part == "redis" else "broker_unavailable"
    gone.kill()
    try:
        status, parts = server.parts()
        assert (status, parts[part]["state"], parts[part]["code"]) == (503, "down", code)
        assert {name for name, one in parts.items() if one["state"] == "down"} == {part}
        ready = server.api.get("/readyz")
        assert (ready.status_code, {one["name"]: one["state"] for one in ready.json()["parts"]}[part]) == (200, "down")
        assert server.finds("The boiler was replaced.")
        assert several.ended(server.api, server.upload(f"Written without {part}."))["outcome"] == "ok"
        assert server.finds(f"Written without {part}.")
    finally:
        gone.start()
    server.until_well()


def test_without_its_database_it_says_so_and_goes_on_when_it_is_back(server: Server) -> None:
    assert server.postgres.control is not None
    crash = threading.Thread(target=server.postgres.control.crash, args=(6.0,))
    crash.start()
    refused = several.wait_for(_refused(server), lambda: "the database never went away", 30)
    assert (refused.status_code, refused.json()["status"]) == (503, "not_ready")
    alive = server.api.get("/healthz")
    assert alive.status_code == 200, "it is not to be started anew for that"
    search = server.api.post("/api/v1/search", json={"query": "boiler"})
    assert (search.status_code, search.json()["code"]) == (503, "database_unavailable")
    assert int(search.headers["retry-after"]) > 0
    crash.join()
    server.until_well()
    assert server.finds("The boiler was replaced.")
    assert several.ended(server.api, server.upload("Written after the database came back."))["outcome"] == "ok"


def _refused(server: Server) -> Any:
    def look() -> httpx2.Response | None:
        answer = server.api.get("/readyz")
        return answer if answer.status_code == 503 else None

    return look
