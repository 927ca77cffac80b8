"""Binds the contract of blob stores to each backend."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from semantik.engines.blobs import location
from semantik.engines.blobs.base import BlobStore
from semantik.engines.blobs.files import FileBlobs
from semantik.engines.blobs.s3 import open_s3
from semantik.kit.ids import TenantId
from semantik.testing import blobs as contract
from semantik.testing.blobs import BlobsContract, pieces
from tests import services

one, other = contract.one, contract.other


class TestFiles(BlobsContract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[BlobStore]:
        opened = FileBlobs(tmp_path / "blobs")
        yield opened
        await opened.close()

    async def damage(self, store: BlobStore, tenant: TenantId, name: str) -> None:
        async with store.local(tenant, name) as path:
            path.write_bytes(b"?" * path.stat().st_size)

    async def test_strays_of_a_crash_go_at_the_next_start_and_young_files_stay(self, tmp_path: Path, one: TenantId) -> None:
        incoming = tmp_path / "blobs" / "incoming"
        incoming.mkdir(parents=True)
        for name, age_s in (("stray", 2 * 86_400), ("of another process", 0)):
            (incoming / name).write_bytes(b"half")
            os.utime(incoming / name, (time.time() - age_s,) * 2)

        opened = FileBlobs(tmp_path / "blobs")

        assert [path.name for path in incoming.iterdir()] == ["of another process"]
        assert (await opened.put(one, pieces(b"fine"))).size_bytes == 4


class TestS3(BlobsContract):
    @pytest.fixture
    async def store(self, s3_endpoint: str, tmp_path: Path) -> AsyncIterator[BlobStore]:
        place = location.parse(f"s3://tests/contract?endpoint={s3_endpoint}")
        assert isinstance(place, location.BucketPlace)
        opened = await open_s3(
            place, access_key=services.S3_KEY, secret_key=services.S3_SECRET, copies_dir=tmp_path / "copies", copies_bytes=64 << 20
        )
        yield opened
        await opened.close()

    @pytest.fixture(autouse=True)
    def endpoint(self, s3_endpoint: str) -> None:
        self.s3_endpoint = s3_endpoint

    async def damage(self, store: BlobStore, tenant: TenantId, name: str) -> None:
        async with services.s3_client(self.s3_endpoint) as client:
            key = f"contract/{tenant}/{name[:2]}/{name}"
            size = (await client.head_object(Bucket="tests", Key=key))["ContentLength"]
            await client.put_object(Bucket="tests", Key=key, Body=b"?" * size)
