"""Binds the contract of blob stores to each backend."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from semantik.engines.blobs.base import BlobStore
from semantik.engines.blobs.files import FileBlobs
from semantik.testing.blobs import ONE, BlobsContract, pieces


class TestFiles(BlobsContract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[BlobStore]:
        opened = FileBlobs(tmp_path / "blobs")
        yield opened
        await opened.close()

    async def test_a_crash_in_mid_write_leaves_a_stray_that_the_next_start_removes(self, tmp_path: Path) -> None:
        (tmp_path / "blobs" / "incoming").mkdir(parents=True)
        stray = tmp_path / "blobs" / "incoming" / "half"
        stray.write_bytes(b"half")
        os.utime(stray, (0, 0))
        fresh = stray.with_name("whole")
        fresh.write_bytes(b"somebody else is writing this")

        opened = FileBlobs(tmp_path / "blobs")

        assert not stray.exists()
        assert fresh.exists()
        assert (await opened.put(ONE, pieces(b"fine"))).size_bytes == 4
