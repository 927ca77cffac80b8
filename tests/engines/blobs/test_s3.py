"""What a bucket elsewhere adds to the contract: a server that is down, refuses, hangs up in mid-stream; interrupted uploads; copies."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from semantik.engines.blobs import location
from semantik.engines.blobs.base import BlobMissing, BlobsUnavailable
from semantik.engines.blobs.copies import LocalCopies
from semantik.engines.blobs.s3 import PROBE_S, BlobsMisconfigured, S3Blobs, open_s3
from semantik.kit.errors import Misconfigured
from semantik.kit.ids import TenantId, new_id
from semantik.testing.blobs import pieces
from tests import services
from tests.engines.blobs.flaky import Line, line

Opener = Callable[..., AbstractAsyncContextManager[S3Blobs]]
# The least that S3 takes for a part that is not the last.
PART = 5 * 1024 * 1024


@pytest.fixture
def tenant() -> TenantId:
    return TenantId(new_id())


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    @asynccontextmanager
    async def opening(endpoint: str, *, bucket: str = "tests", key: str | None = services.S3_KEY, secret: str | None = services.S3_SECRET,
                      copies_bytes: int = 64 << 20, read_only: bool = False) -> AsyncIterator[S3Blobs]:  # fmt: skip
        place = location.parse(f"s3://{bucket}/some/prefix?endpoint={endpoint}")
        assert isinstance(place, location.BucketPlace)
        store = await open_s3(
            place,
            access_key=key,
            secret_key=secret,
            copies_dir=tmp_path / "copies",
            copies_bytes=copies_bytes,
            part_bytes=PART,
            attempts=3,
            read_only=read_only,
        )
        yield store
        await store.close()

    return opening


@pytest.fixture
async def flaky(s3_endpoint: str) -> AsyncIterator[Line]:
    async with line(s3_endpoint) as made:
        yield made


async def uploads(endpoint: str, tenant: TenantId) -> list[dict[str, Any]]:
    async with services.s3_client(endpoint) as client:
        found = await client.list_multipart_uploads(Bucket="tests", Prefix=f"some/prefix/{tenant}/")
    return list(found.get("Uploads", []))


async def test_wrong_keys_and_a_missing_bucket_are_said_at_start(opened: Opener, s3_endpoint: str) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"bucket": "nowhere"}, "there is no such bucket"),
        ({"secret": "wrong"}, "the secret key is not that of the access key"),
        ({"key": "nobody"}, "it does not know the access key"),
        ({"key": services.S3_READER_KEY}, "the access key may not do that"),
        ({"secret": None}, "only one is set"),
    ]
    for given, says in wrong:
        with pytest.raises(BlobsMisconfigured, match=says) as caught:
            async with opened(s3_endpoint, **given):
                pass
        assert "SEMANTIK_BLOBS" in (caught.value.hint or "") + caught.value.detail or "Set both" in (caught.value.hint or "")
        assert "wrong" not in caught.value.detail


async def test_a_key_that_may_only_read_opens_a_store_to_read_from(opened: Opener, s3_endpoint: str, tenant: TenantId) -> None:
    async with opened(s3_endpoint) as store:
        ref = await store.put(tenant, pieces(b"an original"))
    async with opened(s3_endpoint, key=services.S3_READER_KEY, read_only=True) as store:
        assert b"".join([piece async for piece in store.read(tenant, ref.hash)]) == b"an original"
        assert await store.size(tenant, ref.hash) == 11
        with pytest.raises(BlobsUnavailable, match="may not do that"):
            await store.put(tenant, pieces(b"another"))


async def test_without_keys_of_its_own_it_takes_those_of_the_aws_environment(
    opened: Opener, s3_endpoint: str, tenant: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", services.S3_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", services.S3_SECRET)
    async with opened(s3_endpoint, key=None, secret=None) as store:
        assert (await store.put(tenant, pieces(b"x"))).size_bytes == 1


async def test_a_server_that_is_down_is_named_at_once_and_used_again_when_it_is_back(opened: Opener, flaky: Line, tenant: TenantId) -> None:
    flaky.dead = True
    async with opened(flaky.url) as store:
        for call in (store.put(tenant, pieces(b"x")), store.exists(tenant, "a" * 64), store.delete(tenant, "a" * 64, older_than_s=0)):
            with pytest.raises(
                BlobsUnavailable, match=r"the blob store s3://tests/some/prefix/ at 127\.0\.0\.1.* does not answer"
            ) as caught:
                await call
            assert caught.value.retry_after_s
        tries = flaky.connections
        with pytest.raises(BlobsUnavailable):
            await store.check()
        # One try of ours, which the HTTP client makes once more by itself.
        assert flaky.connections <= tries + 2, "health does not wait for retries"
        flaky.dead = False
        ref = await store.put(tenant, pieces(b"back"))
        assert await store.exists(tenant, ref.hash)


async def test_a_server_that_does_not_answer_ends_a_health_check_in_time(opened: Opener, flaky: Line) -> None:
    async with opened(flaky.url) as store:
        flaky.delay_s = 60
        with pytest.raises(BlobsUnavailable, match="does not answer"):
            async with asyncio.timeout(3 * PROBE_S):
                await store.check()


async def test_a_download_that_is_cut_goes_on_from_where_it_stopped(opened: Opener, flaky: Line, tenant: TenantId) -> None:
    data = random.Random(1).randbytes(4 << 20)
    async with opened(flaky.url) as store:
        ref = await store.put(tenant, pieces(data))
    async with opened(flaky.url) as store:
        flaky.cut_down = [1_500_000, 1_000_000]
        assert b"".join([piece async for piece in store.read(tenant, ref.hash)]) == data
        assert not flaky.cut_down, "both cuts were met"


async def test_a_download_that_is_always_cut_is_an_error_and_leaves_no_copy(
    opened: Opener, flaky: Line, tenant: TenantId, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda least, most: 0.01)
    async with opened(flaky.url) as store:
        ref = await store.put(tenant, pieces(random.Random(2).randbytes(2 << 20)))
        for copy in (tmp_path / "copies" / tenant).rglob(ref.hash):
            copy.unlink()
    async with opened(flaky.url) as store:
        flaky.cut_down = [400] * 20
        with pytest.raises(BlobsUnavailable, match=r"breaking off|does not answer"):
            async with store.local(tenant, ref.hash):
                pass
        flaky.cut_down = []
    assert not [path for path in (tmp_path / "copies").rglob("*") if path.is_file()]


async def test_an_upload_that_is_cut_is_tried_again(opened: Opener, flaky: Line, s3_endpoint: str, tenant: TenantId) -> None:
    data = random.Random(3).randbytes(3 * PART + 17)
    async with opened(flaky.url) as store:
        flaky.cut_up = [2_000_000, 3_000_000]
        ref = await store.put(tenant, pieces(data))
        assert not flaky.cut_up, "both cuts were met"
        assert b"".join([piece async for piece in store.read(tenant, ref.hash)]) == data
    assert await uploads(s3_endpoint, tenant) == []


async def test_an_upload_that_is_cancelled_leaves_no_object_and_no_parts(
    opened: Opener, flaky: Line, s3_endpoint: str, tenant: TenantId, tmp_path: Path
) -> None:
    async with opened(flaky.url) as store:
        # The store has begun the upload, and its answer with the name is still on its way.
        flaky.delay_s = PROBE_S / 4
        task = asyncio.create_task(store.put(tenant, pieces(random.Random(4).randbytes(4 * PART))))
        while not await uploads(s3_endpoint, tenant):
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        flaky.delay_s = 0
        assert await uploads(s3_endpoint, tenant) == []
        assert [name async for name in store.hashes(tenant)] == []
    assert list((tmp_path / "copies" / "incoming").iterdir()) == []


async def test_parts_that_a_crash_left_go_by_age(opened: Opener, s3_endpoint: str, tenant: TenantId) -> None:
    async with services.s3_client(s3_endpoint) as client:
        key = f"some/prefix/{tenant}/aa/{'a' * 64}"
        left = await client.create_multipart_upload(Bucket="tests", Key=key)
        await client.upload_part(Bucket="tests", Key=key, UploadId=left["UploadId"], PartNumber=1, Body=b"x" * PART)
    async with opened(s3_endpoint) as store:
        await store.clean_up(older_than_s=3600)
        assert len(await uploads(s3_endpoint, tenant)) == 1, "somebody may still be writing a young one"
        assert await store.clean_up(older_than_s=0) >= 1
    assert await uploads(s3_endpoint, tenant) == []


async def test_what_was_just_stored_is_read_without_a_download(opened: Opener, flaky: Line, tenant: TenantId) -> None:
    async with opened(flaky.url) as store:
        ref = await store.put(tenant, pieces(b"twice"))
        flaky.dead = True
        async with store.local(tenant, ref.hash) as path:
            assert path.read_bytes() == b"twice"


async def test_a_file_beyond_the_bound_of_the_copies_is_lent_and_then_gone(
    opened: Opener, s3_endpoint: str, tenant: TenantId, tmp_path: Path
) -> None:
    data = random.Random(5).randbytes(300_000)
    async with opened(s3_endpoint, copies_bytes=100_000) as store:
        ref = await store.put(tenant, pieces(data))
        async with store.local(tenant, ref.hash) as path:
            assert path.read_bytes() == data
    assert not [path for path in (tmp_path / "copies").rglob("*") if path.is_file()]


async def test_a_missing_object_is_a_missing_blob(opened: Opener, s3_endpoint: str, tenant: TenantId) -> None:
    async with opened(s3_endpoint) as store:
        for reading in (store.read(tenant, "b" * 64), store.read(tenant, "b" * 64, start=3, end=9)):
            with pytest.raises(BlobMissing):
                await anext(reading)


def test_copies_keep_to_their_bound_and_what_is_lent_outlives_them(tmp_path: Path, tenant: TenantId) -> None:
    copies = LocalCopies(tmp_path, max_bytes=1000)

    def keep(name: str) -> None:
        new = copies.incoming / name
        new.write_bytes(b"x" * 400)
        copies.keep(new, tenant, name)
        copies.shrink()

    for name in ("aaa", "bbb"):
        keep(name)
        time.sleep(0.01)
    with copies.lent(tenant, "aaa") as used:
        assert used is not None
        keep("ccc")
        with copies.lent(tenant, "bbb") as least_used:
            assert least_used is None
        for name in ("ddd", "eee", "fff"):
            time.sleep(0.01)
            keep(name)
        with copies.lent(tenant, "aaa") as dropped:
            assert dropped is None
        assert used.read_bytes() == b"x" * 400
    assert not used.exists()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("s3://", "the name of the bucket"),
        ("s3://key:secret@bucket", "it holds a key"),
        ("s3://bucket:9000/x", "the server goes into"),
        ("s3://bucket?endpoint=localhost", "no http or https address"),
        ("s3://bucket?acl=public", "'acl' is not one of its options"),
        ("s3://bucket?addressing=none", "path or virtual"),
        ("file://host/folder", "file:///absolute/path"),
        ("file:relative", "file:///absolute/path"),
        ("gs://bucket", "it starts with gs://"),
        ("/just/a/path", "no scheme"),
    ],
)
def test_an_address_that_cannot_be_used_says_which_part(url: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says) as caught:
        location.parse(url)
    assert "secret" not in caught.value.detail


def test_addresses_are_read() -> None:
    assert location.parse("file:///srv/shared%20files") == location.FolderPlace(Path("/srv/shared files"))
    assert location.parse("s3://bucket/a//b/?region=eu-1") == location.BucketPlace("bucket", "a/b/", None, "eu-1", "virtual")
    mine = location.parse("s3://bucket?endpoint=http://127.0.0.1:9000")
    assert mine == location.BucketPlace("bucket", "", "http://127.0.0.1:9000", None, "path")
