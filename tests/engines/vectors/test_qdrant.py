"""What a server elsewhere adds to the contract: how a space is laid out there, what is tried again, and what is said when it is down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from fastapi import Response
from qdrant_client import grpc as qdrant_grpc
from qdrant_client import models

from semantik.engines.vectors.base import (
    Corpus,
    DimensionMismatch,
    IndexDamaged,
    IndexUnavailable,
    ServerTooOld,
    Space,
    SpaceMismatch,
)
from semantik.engines.vectors.breaker import Breaker
from semantik.engines.vectors.qdrant import QdrantStore
from semantik.kit.errors import Misconfigured
from semantik.testing.vectors import CORPUS, SPACE, ask, point, side
from tests import services
from tests.engines.blobs.flaky import line
from tests.engines.vectors import misbehaving
from tests.engines.vectors.misbehaving import Server

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

NAME = f"semantik-{SPACE.key}"
POINTS = [point(number) for number in range(12)]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with misbehaving.server() as made:
        yield made


@pytest.fixture
async def store(server: Server) -> AsyncIterator[QdrantStore]:
    opened = QdrantStore(server.url, timeout_s=1.0)
    await opened.ensure(SPACE)
    await opened.upsert(SPACE, POINTS)
    server.requests.clear()
    yield opened
    await opened.close()


def status(code: int, text: str = "no", **headers: str) -> Response:
    return Response(f'{{"status": {{"error": "{text}"}}}}', code, headers, media_type="application/json")


async def test_a_space_is_laid_out_for_many_tenants_and_as_the_settings_ask(server: Server) -> None:
    store = QdrantStore(server.url, quantise=True, on_disk=True, shards=6, replicas=3)
    await store.ensure(SPACE)

    (made,) = server.asked("PUT", NAME)
    dense = made["vectors"]["dense"]
    assert (dense["size"], dense["distance"], dense["on_disk"]) == (SPACE.dimensions, "Cosine", True)
    assert (dense["hnsw_config"]["m"], dense["hnsw_config"]["payload_m"]) == (0, 16)
    assert dense["quantization_config"]["scalar"] == {"type": "int8", "quantile": 0.99, "always_ram": True}
    assert made["sparse_vectors"]["bm25"] == {"index": {"on_disk": True}, "modifier": "idf"}
    assert (made["shard_number"], made["replication_factor"], made["write_consistency_factor"]) == (6, 3, 2)
    indexes = {one["field_name"]: one["field_schema"] for one in server.asked("PUT", "/index")}
    assert indexes["tenant"]["is_tenant"] is True
    assert {key for key, index in indexes.items() if index["enable_hnsw"]} == {"tenant", "scope"}

    await store.upsert(SPACE, POINTS)
    await store.query(SPACE, ask(POINTS))
    (first, *_) = server.asked("POST", "/points/query/batch")
    assert first["searches"][0]["params"]["quantization"] == {"rescore": True, "oversampling": 2.0}
    await store.close()


async def test_many_small_collections_are_one_collection_there(server: Server, store: QdrantStore) -> None:
    many = [point(number, collection=f"c{number}") for number in range(200)]
    await store.upsert(SPACE, many)

    assert [one["name"] for one in _collections(await store._client.get_collections())] == [NAME]
    answer = await store.query(SPACE, replace(ask(many), corpus=Corpus(CORPUS.tenant, (("c7", 1),))))
    assert side(answer.dense).found.ids == (many[7].id,)


def _collections(found: models.CollectionsResponse) -> list[dict[str, Any]]:
    return [one.model_dump() for one in found.collections]


async def test_every_request_of_a_search_names_the_tenant_or_points_that_were_found_for_it(server: Server, store: QdrantStore) -> None:
    await store.query(SPACE, ask(POINTS))

    (sample,) = server.asked("POST", "/points/scroll")
    lists, scores = server.asked("POST", "/points/query/batch")
    for one in (sample["filter"], *(search["filter"] for search in lists["searches"])):
        assert {"key": "tenant", "match": {"value": CORPUS.tenant}} in [
            {name: value for name, value in condition.items() if value is not None} for condition in one["must"]
        ]
    assert all("has_id" in search["filter"]["must"][0] for search in scores["searches"])
    assert len(server.requests) == 3
    await store.query(SPACE, ask(POINTS))
    assert len(server.requests) == 5, "the sample is remembered: two requests a search"


async def test_connections_are_kept(server: Server, store: QdrantStore) -> None:
    server.clients.clear()
    for _ in range(5):
        await store.count(SPACE)
    assert len(server.clients) == 1


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
async def test_a_passing_failure_is_tried_again(server: Server, store: QdrantStore, code: int) -> None:
    server.script = [status(code), status(code)]
    assert await store.count(SPACE) == len(POINTS)
    server.script = [status(code)]
    await store.upsert(SPACE, [point(99)])
    assert await store.count(SPACE) == len(POINTS) + 1


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (status(401), "refuses the API key"),
        (status(403), "refuses the API key"),
        (status(400), "answered with status 400"),
        (status(500), "answered with status 500"),
        (Response("<html>", 200), "127.0.0.1"),
        (status(429, **{"Retry-After": "60"}), "asks for a pause"),
    ],
)
async def test_a_lasting_failure_names_the_server_and_what_it_said(server: Server, store: QdrantStore, answer: Response, says: str) -> None:
    server.always = answer
    with pytest.raises(IndexUnavailable, match=says) as caught:
        await store.count(SPACE)
    assert server.url.removeprefix("http://") in caught.value.detail
    assert caught.value.retry_after_s


async def test_a_slow_server_ends_a_search_in_time(server: Server, store: QdrantStore) -> None:
    server.delay_s = 60
    with pytest.raises(IndexUnavailable, match="does not answer within 1 s"):
        await store.query(SPACE, ask(POINTS))
    assert len(server.requests) == 1, "all of its time is up, and no try is left"
    server.delay_s = 0
    assert (await store.query(SPACE, ask(POINTS))).dense is not None


async def test_a_cut_answer_is_asked_for_again(server: Server, store: QdrantStore) -> None:
    async with line(server.url) as flaky:
        opened = QdrantStore(flaky.url, timeout_s=5.0)
        flaky.cut_down = [20, 20]
        assert await opened.count(SPACE) == len(POINTS)
        assert not flaky.cut_down
        await opened.close()


async def test_while_it_is_down_searches_fail_at_once_and_go_on_when_it_is_back(server: Server, store: QdrantStore) -> None:
    async with line(server.url) as flaky:
        opened = QdrantStore(flaky.url, timeout_s=1.0)
        assert await opened.count(SPACE) == len(POINTS)
        flaky.dead = True
        await asyncio.sleep(0)
        for _ in range(3):
            with pytest.raises(IndexUnavailable, match="does not answer"):
                await opened.count(SPACE)
        tries = flaky.connections
        for _ in range(50):
            with pytest.raises(IndexUnavailable, match="is given a pause") as caught:
                await opened.query(SPACE, ask(POINTS))
            assert caught.value.retry_after_s
        assert flaky.connections == tries, "nothing was sent"

        flaky.dead = False
        assert (await opened.health())["backend"] == "qdrant", "health asks all the same, and closes the breaker"
        assert await opened.count(SPACE) == len(POINTS)
        await opened.close()


def test_a_breaker_lets_one_trial_through_after_each_pause() -> None:
    now = [100.0]
    breaker = Breaker(failures=2, pause_s=4, most_s=16, clock=lambda: now[0])
    breaker.failed()
    assert breaker.wait_s() == 0
    breaker.failed()
    pauses = []
    for _ in range(4):
        pauses.append(breaker.wait_s())
        now[0] += pauses[-1] + 0.001
        assert breaker.wait_s() == 0
        assert breaker.wait_s() > 0, "the second must wait for what the first learns"
        breaker.failed()
    assert [low <= pause <= 2 * low for pause, low in zip(pauses, (2, 4, 8, 8), strict=True)] == [True] * 4
    now[0] += 16
    assert breaker.wait_s() == 0
    breaker.succeeded()
    assert not breaker.open
    breaker.failed()
    assert breaker.wait_s() == 0


async def test_an_index_made_for_something_else_is_said_at_start(server: Server) -> None:
    store = QdrantStore(server.url)

    async def made(key: str, **given: Any) -> Space:
        dense = models.VectorParams(size=given.get("size", 8), distance=given.get("distance", models.Distance.COSINE))
        sparse = {"bm25": models.SparseVectorParams(modifier=given.get("modifier", models.Modifier.IDF))}
        await store._client.create_collection(f"semantik-{key}", {"dense": dense}, given.get("sparse", sparse))
        return Space(key, 8)

    with pytest.raises(DimensionMismatch, match="holds vectors of 16 dimensions, not 8"):
        await store.ensure(await made("size", size=16))
    with pytest.raises(SpaceMismatch, match="compares by Dot, not by Cosine"):
        await store.ensure(await made("distance", distance=models.Distance.DOT))
    with pytest.raises(SpaceMismatch, match="without their rarity"):
        await store.ensure(await made("modifier", modifier=None))
    with pytest.raises(SpaceMismatch, match="something else made it"):
        await store.ensure(await made("sparse", sparse={}))
    assert issubclass(DimensionMismatch, Misconfigured)
    assert issubclass(SpaceMismatch, Misconfigured)
    await store.close()


async def test_a_size_that_changed_behind_our_back_is_no_outage(server: Server, store: QdrantStore) -> None:
    server.always = status(400, "Wrong input: Vector dimension error: expected dim: 16, got 8")
    with pytest.raises(DimensionMismatch):
        await store.query(SPACE, ask(POINTS))


async def test_an_old_server_is_refused(server: Server) -> None:
    store = QdrantStore(server.url)
    server.script = [Response('{"title": "qdrant", "version": "1.17.3"}', media_type="application/json")]
    with pytest.raises(ServerTooOld, match=r"version 1\.17\.3"):
        await store.ensure(SPACE)
    await store.close()


async def test_an_index_that_was_there_and_is_gone_is_reported_once(store: QdrantStore) -> None:
    reports: list[tuple[str, str]] = []
    store.on_damage = lambda key, reason: reports.append((key, reason))
    await store._client.delete_collection(NAME)
    for _ in range(2):
        with pytest.raises(IndexDamaged):
            await store.query(SPACE, ask(POINTS))
    assert reports == [(SPACE.key, "missing")]


async def test_the_key_is_sent_and_never_shown(server: Server) -> None:
    store = QdrantStore(server.url.replace("http://", "http://:a%2Fkey@"))
    server.always = status(403)
    with pytest.raises(IndexUnavailable) as caught:
        await store.count(SPACE)
    assert "key@" not in caught.value.detail
    assert "a/key" not in caught.value.detail
    await store.close()


@pytest.mark.parametrize("url", ["qdrant:6333", "ftp://host", "http://"])
def test_an_address_that_cannot_be_used_is_said(url: str) -> None:
    with pytest.raises(Misconfigured, match="SEMANTIK_QDRANT_URL"):
        QdrantStore(url)


@pytest.mark.slow
async def test_points_of_the_stand_in_survive_a_kill(tmp_path: Path) -> None:
    port = services.free_port()
    with services.qdrant(tmp_path / "points", port=port) as url:
        store = QdrantStore(url)
        await store.ensure(SPACE)
        await store.upsert(SPACE, POINTS)
    with pytest.raises(IndexUnavailable):
        await store.count(SPACE)
    with services.qdrant(tmp_path / "points", port=port):
        await store.health()
        assert await store.count(SPACE) == len(POINTS)
    await store.close()


@contextmanager
def grpc_points(code: grpc.StatusCode | None) -> Iterator[int]:
    """A gRPC interface whose `Count` fails with `code`, or answers 42."""

    class Points(qdrant_grpc.PointsServicer):
        def Count(self, request: Any, context: grpc.ServicerContext) -> Any:
            if code is not None:
                context.abort(code, "told to")
            return qdrant_grpc.CountResponse(result=qdrant_grpc.CountResult(count=42))

    running = grpc.server(ThreadPoolExecutor(2))
    qdrant_grpc.add_PointsServicer_to_server(Points(), running)  # type: ignore[no-untyped-call]  # generated code
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    try:
        yield port
    finally:
        running.stop(None)


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        (None, None, ""),
        (grpc.StatusCode.NOT_FOUND, IndexDamaged, "missing"),
        (grpc.StatusCode.UNAUTHENTICATED, IndexUnavailable, "refuses the API key"),
        (grpc.StatusCode.UNAVAILABLE, IndexUnavailable, "answered with unavailable"),
        (grpc.StatusCode.INVALID_ARGUMENT, IndexUnavailable, "answered with invalid_argument"),
    ],
)
async def test_over_grpc_the_same_is_said(code: grpc.StatusCode | None, error: type[Exception] | None, says: str) -> None:
    with grpc_points(code) as port:
        store = QdrantStore("http://127.0.0.1:1", timeout_s=3, grpc_port=port)
        if error is None:
            assert await store.count(SPACE) == 42
        else:
            with pytest.raises(error, match=says):
                await store.count(SPACE)
        await store.close()
