"""What the command line says when it cannot start: one sentence, what to do, an exit code, and nothing touched."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from semantik.entrypoints.embedded import check_database
from semantik.kit import ownership
from semantik.kit.database_errors import DatabaseDamaged
from semantik.kit.settings import Settings

pytestmark = pytest.mark.slow


def _semantik(*arguments: str, data_dir: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SEMANTIK_")}
    command = [sys.executable, "-m", "semantik.entrypoints.cli.main", "--data-dir", str(data_dir), *arguments]
    settings = {"SEMANTIK_EMBEDDING_MODEL": "hashing", "SEMANTIK_OCR": "false"}
    return subprocess.run(command, env=clean | settings | environ, capture_output=True, text=True, timeout=110, check=False)


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A data folder with a database in it."""
    assert _semantik("collections", "create", "Kept", data_dir=tmp_path / "data").returncode == 0
    return tmp_path / "data"


def test_a_folder_in_use_is_refused_with_its_owner(tmp_path: Path) -> None:
    owner = ownership.claim(tmp_path)

    refused = _semantik("collections", "list", data_dir=tmp_path)
    owner.release()

    assert refused.returncode == 1
    assert f"process {os.getpid()}" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_damaged_database_is_named_and_left_alone(used: Path) -> None:
    database = used / "semantik.db"
    data = bytearray(database.read_bytes())
    data[4096:12288] = os.urandom(8192)
    database.write_bytes(data)

    refused = _semantik("collections", "list", data_dir=used)

    assert refused.returncode == 75
    assert "damaged" in refused.stderr and "backup" in refused.stderr
    assert database.read_bytes() == bytes(data)


def test_a_database_that_was_closed_in_order_is_not_read_again_and_any_other_is(used: Path) -> None:
    database, settings = used / "semantik.db", Settings(data_dir=used)
    before = database.stat()
    data = bytearray(database.read_bytes())
    data[4096:12288] = os.urandom(8192)
    database.write_bytes(data)
    # As a disk damages it: nobody wrote the file, so a start in order believes what was noted at the end.
    os.utime(database, ns=(before.st_atime_ns, before.st_mtime_ns))

    check_database(settings)
    with pytest.raises(DatabaseDamaged, match="is damaged"):
        check_database(settings)


def test_a_newer_schema_is_refused_and_left_alone(used: Path) -> None:
    with sqlite3.connect(used / "semantik.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    refused = _semantik("collections", "list", data_dir=used)

    assert refused.returncode == 78
    assert "9999" in refused.stderr and "newer version" in refused.stderr


def test_something_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    refused = _semantik("collections", "list", data_dir=tmp_path / "file")

    assert refused.returncode == 78
    assert "a file is in its way" in refused.stderr


def test_a_stray_setting_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    refused = _semantik("collections", "list", data_dir=tmp_path, SEMANTIK_EMBEDING_MODEL="x")

    assert refused.returncode == 78
    assert "SEMANTIK_EMBEDDING_MODEL" in refused.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(folder)], capture_output=True, check=False).returncode != 0:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.long
def test_a_full_disk_is_said_and_nothing_is_lost(small_disk: Path, tmp_path: Path) -> None:
    big = tmp_path / "big.txt"
    with big.open("wb") as file:
        file.truncate(300 * 1024**2)
    made = _semantik("collections", "create", "Kept", data_dir=small_disk)

    full = _semantik("ingest", str(big), data_dir=small_disk)
    big.write_bytes(b"Short now.\n")
    after = _semantik("ingest", str(big), "-c", "Kept", data_dir=small_disk)
    listed = _semantik("collections", "list", "--json", data_dir=small_disk)

    assert made.returncode == 0, made.stderr
    assert full.returncode == 75, full.stderr
    assert "no space left" in full.stderr
    assert after.returncode == 0, after.stderr
    assert "Kept" in {one["name"] for one in json.loads(listed.stdout)}
