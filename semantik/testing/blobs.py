"""What every store of originals must do. Subclass `BlobsContract` as a test class with a `store` fixture."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from semantik.engines.blobs.base import BlobMissing, BlobStore
from semantik.kit.errors import TooLarge
from semantik.kit.ids import TenantId

ONE, OTHER = TenantId("00000000-0000-7000-8000-000000000001"), TenantId("00000000-0000-7000-8000-000000000002")


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


async def _read(store: BlobStore, tenant: TenantId, name: str, **span: int) -> bytes:
    return b"".join([piece async for piece in store.read(tenant, name, **span)])


class BlobsContract:
    async def test_bytes_come_back_under_their_hash(self, store: BlobStore) -> None:
        ref = await store.put(ONE, pieces(b"hello ", b"world"))

        assert ref.hash == hashlib.sha256(b"hello world").hexdigest()
        assert ref.size_bytes == 11
        assert await _read(store, ONE, ref.hash) == b"hello world"
        assert await _read(store, ONE, ref.hash, start=6, end=9) == b"wor"
        assert (await store.local_path(ONE, ref.hash)).read_bytes() == b"hello world"

    async def test_equal_bytes_are_stored_once_and_tenants_apart(self, store: BlobStore) -> None:
        refs = await asyncio.gather(*(store.put(ONE, pieces(b"same")) for _ in range(5)))

        assert len({ref.hash for ref in refs}) == 1
        assert [name async for name in store.hashes(ONE)] == [refs[0].hash]
        assert not await store.exists(OTHER, refs[0].hash)
        with pytest.raises(BlobMissing):
            await _read(store, OTHER, refs[0].hash)

    async def test_too_large_leaves_nothing_behind(self, store: BlobStore) -> None:
        with pytest.raises(TooLarge):
            await store.put(ONE, pieces(b"x" * 600, b"x" * 600), max_bytes=1000)

        assert [name async for name in store.hashes(ONE)] == []

    async def test_a_stream_that_breaks_leaves_nothing_behind(self, store: BlobStore) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield b"half"
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await store.put(ONE, broken())

        assert [name async for name in store.hashes(ONE)] == []

    async def test_deleting_twice_is_the_same_as_once(self, store: BlobStore) -> None:
        ref = await store.put(ONE, pieces(b"gone soon"))
        await store.delete(ONE, ref.hash)
        await store.delete(ONE, ref.hash)

        assert not await store.exists(ONE, ref.hash)
        with pytest.raises(BlobMissing):
            await store.local_path(ONE, ref.hash)

    async def test_an_empty_blob_is_a_blob(self, store: BlobStore) -> None:
        ref = await store.put(ONE, pieces())

        assert ref.size_bytes == 0
        assert await _read(store, ONE, ref.hash) == b""

    async def test_it_says_when_it_can_be_written(self, store: BlobStore) -> None:
        await store.check()
