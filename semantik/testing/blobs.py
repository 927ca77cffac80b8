"""What every store of originals must do. Subclass `BlobsContract` as a test class with a `store` fixture and `damage`.

A store may be shared with earlier tests: tenants are new in each.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator

import pytest

from semantik.engines.blobs.base import BlobDamaged, BlobMissing, BlobStore
from semantik.kit.errors import TooLarge
from semantik.kit.ids import TenantId, new_id


@pytest.fixture
def one() -> TenantId:
    return TenantId(new_id())


@pytest.fixture
def other() -> TenantId:
    return TenantId(new_id())


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


async def _read(store: BlobStore, tenant: TenantId, name: str, **span: int) -> bytes:
    return b"".join([piece async for piece in store.read(tenant, name, **span)])


async def _names(store: BlobStore, tenant: TenantId, **ages: float) -> list[str]:
    return [name async for name in store.hashes(tenant, **ages)]


class BlobsContract:
    async def damage(self, store: BlobStore, tenant: TenantId, name: str) -> None:
        """Writes other bytes of the same length under the name, behind the store's back."""
        raise NotImplementedError

    async def test_bytes_come_back_under_their_hash(self, store: BlobStore, one: TenantId) -> None:
        ref = await store.put(one, pieces(b"hello ", b"world"))

        assert ref.hash == hashlib.sha256(b"hello world").hexdigest()
        assert ref.size_bytes == 11
        assert await store.exists(one, ref.hash)
        assert await store.size(one, ref.hash) == 11
        assert await store.size(one, "f" * 64) is None
        assert await _read(store, one, ref.hash) == b"hello world"
        assert await _read(store, one, ref.hash, start=6, end=9) == b"wor"
        assert await _read(store, one, ref.hash, start=6) == b"world"
        assert await _read(store, one, ref.hash, start=11) == b""
        assert await _read(store, one, ref.hash, start=5, end=5) == b""
        async with store.local(one, ref.hash) as path:
            assert path.read_bytes() == b"hello world"

    async def test_a_large_blob_streams_both_ways(self, store: BlobStore, one: TenantId) -> None:
        data = random.Random(7).randbytes(20 * 1024 * 1024 + 12_345)
        ref = await store.put(one, pieces(*(data[at : at + 700_001] for at in range(0, len(data), 700_001))))

        assert ref.hash == hashlib.sha256(data).hexdigest()
        largest, digest = 0, hashlib.sha256()
        async for piece in store.read(one, ref.hash):
            largest = max(largest, len(piece))
            digest.update(piece)
        assert digest.hexdigest() == ref.hash
        assert largest <= 2 * 1024 * 1024, "a large blob never comes as a whole"
        assert await _read(store, one, ref.hash, start=9_000_000, end=19_000_000) == data[9_000_000:19_000_000]

    async def test_equal_bytes_are_stored_once_and_tenants_apart(self, store: BlobStore, one: TenantId, other: TenantId) -> None:
        refs = await asyncio.gather(*(store.put(one, pieces(b"same")) for _ in range(5)))

        assert len({ref.hash for ref in refs}) == 1
        assert await _names(store, one) == [refs[0].hash]
        assert not await store.exists(other, refs[0].hash)
        assert await _names(store, other) == []
        with pytest.raises(BlobMissing):
            await _read(store, other, refs[0].hash)
        await store.delete(other, refs[0].hash, older_than_s=0)
        assert await _read(store, one, refs[0].hash) == b"same"

    async def test_too_large_leaves_nothing_behind(self, store: BlobStore, one: TenantId) -> None:
        with pytest.raises(TooLarge):
            await store.put(one, pieces(b"x" * 600, b"x" * 600), max_bytes=1000)

        assert await _names(store, one) == []

    async def test_a_stream_that_breaks_leaves_nothing_behind(self, store: BlobStore, one: TenantId) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield b"half"
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await store.put(one, broken())

        assert await _names(store, one) == []
        assert await store.clean_up(older_than_s=0) == 0

    async def test_deleting_twice_is_the_same_as_once(self, store: BlobStore, one: TenantId) -> None:
        ref = await store.put(one, pieces(b"gone soon"))
        await store.delete(one, ref.hash, older_than_s=0)
        await store.delete(one, ref.hash, older_than_s=0)

        assert not await store.exists(one, ref.hash)
        with pytest.raises(BlobMissing):
            async with store.local(one, ref.hash):
                pass
        with pytest.raises(BlobMissing):
            await _read(store, one, ref.hash)

    async def test_a_sweep_leaves_young_blobs_alone(self, store: BlobStore, one: TenantId) -> None:
        ref = await store.put(one, pieces(b"young"))

        assert await _names(store, one, older_than_s=3600) == []
        await store.delete(one, ref.hash, older_than_s=3600)
        assert await store.exists(one, ref.hash)
        await store.delete(one, "f" * 64, older_than_s=3600)

    async def test_damage_is_noticed_and_a_new_put_mends_it(self, store: BlobStore, one: TenantId) -> None:
        data = random.Random(8).randbytes(3 * 1024 * 1024)
        ref = await store.put(one, pieces(data))
        await self.damage(store, one, ref.hash)

        seen = bytearray()
        with pytest.raises(BlobDamaged):
            async for piece in store.read(one, ref.hash):
                seen += piece
        assert len(seen) < len(data), "a reader that counts sees that the end is missing"
        await store.put(one, pieces(data))
        assert await _read(store, one, ref.hash) == data

    async def test_an_empty_blob_is_a_blob(self, store: BlobStore, one: TenantId) -> None:
        ref = await store.put(one, pieces())

        assert ref.size_bytes == 0
        assert await _read(store, one, ref.hash) == b""
        async with store.local(one, ref.hash) as path:
            assert path.read_bytes() == b""

    async def test_it_says_where_it_is_when_it_can_be_written(self, store: BlobStore) -> None:
        assert (await store.check())["backend"]
