"""Files that appear whole, in places that have no room for them or are none."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from semantik.kit.errors import DiskFull
from semantik.kit.files import FileUnusable, appearing, opened


def test_a_file_that_finds_no_room_leaves_nothing(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def write() -> None:
        with appearing(tmp_path / "a") as file:
            file.write(bytes(1024 * 1024))

    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    try:
        with pytest.raises(DiskFull, match="cannot be written whole"):
            write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_what_goes_wrong_otherwise_is_told_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), appearing(tmp_path / "a"):
        raise ConnectionResetError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["n" * 10_000, "nowhere/a"])
def test_a_name_that_can_be_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileUnusable), appearing(tmp_path / name):
        raise AssertionError("never gets here")


def test_a_stream_is_no_file_to_read_from(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    holding = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        with pytest.raises(FileUnusable, match="stream"), opened(tmp_path / "pipe"):
            raise AssertionError("never gets here")
    finally:
        os.close(holding)
