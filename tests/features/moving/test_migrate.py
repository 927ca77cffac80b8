"""`semantik migrate` as an operator runs it: there, back, killed half-way, with differences planted, and refused."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from semantik.features.moving.ends import BadTarget, ends
from semantik.kit import ownership
from semantik.kit.errors import Misconfigured
from semantik.kit.secrets import open_keyring
from semantik.kit.settings import Settings
from semantik.kit.walls import APP_ROLE
from semantik.rows import files
from semantik.rows.opening import alone, reading, writing
from semantik.rows.pages import count
from semantik.tables.documents import documents
from semantik.tables.jobs import jobs
from semantik.tables.sources import sources
from tests import services
from tests.conftest import administer
from tests.features.moving.install import Semantik, assert_alike, fingerprints, sums

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture
def source(filled: Path, tmp_path: Path) -> Semantik:
    shutil.copytree(filled / "data", tmp_path / "data")
    return Semantik(tmp_path / "data", {})


@pytest.fixture
def qdrant(tmp_path: Path) -> Iterator[str]:
    with services.qdrant() as url:
        yield url


def credentials(install: Semantik) -> set[bytes]:
    ring = open_keyring(install.data_dir, None)
    with reading(install.url, still=True) as connection:
        return {ring.unseal(sealed) for sealed in connection.scalars(sa.select(sources.c.sealed_credentials))}


def test_to_a_server_s_stack_and_back(source: Semantik, tmp_path: Path, postgresql_url: str, qdrant: str, s3_endpoint: str) -> None:
    """SQLite, files and the embedded index to PostgreSQL, S3 and Qdrant, and back."""
    before, rows, answers = fingerprints(source.data_dir), sums(source.url), source_answers(source, tmp_path)
    prefix = tmp_path.name.replace("_", "-")
    env = tmp_path / ".env.server"
    env.write_text(
        f"SEMANTIK_DATA_DIR={tmp_path / 'server'}\nSEMANTIK_DATABASE_URL={postgresql_url}\nSEMANTIK_QDRANT_URL={qdrant}\n"
        f"SEMANTIK_BLOBS_URL=s3://tests/{prefix}?endpoint={s3_endpoint}\n"
        f"SEMANTIK_BLOBS_ACCESS_KEY={services.S3_KEY}\nSEMANTIK_BLOBS_SECRET_KEY={services.S3_SECRET}\n"
    )
    settings = dict(line.split("=", 1) for line in env.read_text().splitlines() if "DATA_DIR" not in line)
    server = Semantik(tmp_path / "server", settings)

    predicted = source.json("migrate", "--to", str(env), "--dry-run")
    assert {part["what"]: part["count"] for part in predicted["parts"] if part["what"] in rows} == {
        name: one.rows for name, one in rows.items()
    }
    assert {part["what"]: part["content_bytes"] for part in predicted["parts"]}["documents"] == rows["documents"].content_bytes
    assert predicted["seconds"] > 0 and not (tmp_path / "server").exists(), "a dry run writes nothing"
    moved_there = source.json("migrate", "--to", str(env))
    assert moved_there["proved"] and not moved_there["differences"]
    checks = {check["what"]: check for check in moved_there["checks"]}
    assert checks["files"]["source"] == checks["files"]["target"] != "0, 0 bytes"
    (searches,) = [check for what, check in checks.items() if what.startswith("searches")]
    assert int(searches["source"]) > 10 and searches["target"] == f"{searches['source']} with the same hits"
    assert source.json("migrate", "--to", str(env), "--verify")["proved"]
    assert fingerprints(source.data_dir) == before, "the source is as it was"
    assert sums(postgresql_url) == rows
    assert credentials(server) == {b"a password"}
    assert_alike(server.answers(), answers)

    with reading(postgresql_url) as connection:
        assert count(connection, documents) == rows["documents"].rows
    used = sums(postgresql_url)
    home = Semantik(tmp_path / "home", {})
    back = server.json("migrate", "--to", str(home.data_dir))
    assert back["proved"], back
    assert sums(home.url) == used and used["documents"] == rows["documents"] and used["chunks"] == rows["chunks"]
    assert credentials(home) == {b"a password"}
    assert_alike(home.answers(), answers)


def test_the_dry_run_says_what_the_move_then_counts(source: Semantik, tmp_path: Path) -> None:
    """Most files here are their own text, and some are not."""
    rows = sums(source.url)
    with reading(source.url, still=True) as connection:
        by_rows = files.expected(connection)
    predicted = {part["what"]: part for part in source.json("migrate", "--to", str(tmp_path / "target"), "--dry-run")["parts"]}
    checks = {check["what"]: check["source"] for check in source.json("migrate", "--to", str(tmp_path / "target"))["checks"]}
    assert f"{predicted['files']['count']:,}, {predicted['files']['content_bytes']:,} bytes" == checks["files"]
    assert by_rows.files == predicted["files"]["count"]
    assert by_rows.content_bytes == pytest.approx(predicted["files"]["content_bytes"], rel=0.05)
    for name, one in rows.items():
        assert (predicted[name]["count"], predicted[name]["content_bytes"]) == (one.rows, one.content_bytes)
        assert checks[name].startswith(f"{one.rows:,} rows")
    for name in predicted.keys() - rows.keys() - {"files"}:
        assert checks[name] == f"{predicted[name]['count']:,} points by the rows"


def test_an_index_server_that_starts_anew_meanwhile_is_waited_for(source: Semantik, tmp_path: Path) -> None:
    folder, port = tmp_path / "qdrant", services.free_port()
    with services.qdrant(folder, port=port) as url:
        process = source.start("migrate", "--to", url, "--json", SEMANTIK_TEST_FAILPOINTS="move_filled=stop@1")
        assert process.pid == os.waitpid(process.pid, os.WUNTRACED)[0]
    process.send_signal(signal.SIGCONT)
    time.sleep(4)
    assert process.poll() is None, "it waits"
    with services.qdrant(folder, port=port):
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0 and json.loads(out)["proved"], err


def source_answers(source: Semantik, tmp_path: Path) -> list[tuple[str, list[float]]]:
    """What the source answers, asked of a copy: asking it would write."""
    shutil.copytree(source.data_dir, tmp_path / "asked")
    return Semantik(tmp_path / "asked", {}).answers()


POINTS = (
    "move_begun", "move_keys_carried", "move_rows_written", "move_rows_written@4", "move_rows_noted@9", "move_file_stored",
    "move_points_flushed", "move_filled", "move_compared",
)  # fmt: skip


@pytest.mark.crash
def test_killed_at_any_step_the_same_command_goes_on(source: Semantik, tmp_path: Path, postgresql_url: str) -> None:
    """One move, killed at one point after another, each time further on."""
    target = Semantik(tmp_path / "target", {"SEMANTIK_DATABASE_URL": postgresql_url})
    env = tmp_path / ".env.target"
    env.write_text(f"SEMANTIK_DATA_DIR={target.data_dir}\nSEMANTIK_DATABASE_URL={postgresql_url}\nSEMANTIK_EMBEDDING_MODEL=hashing\n")
    before = fingerprints(source.data_dir)
    for point in POINTS:
        name, _, hit = point.partition("@")
        killed = source.run("migrate", "--to", str(env), code=None, SEMANTIK_TEST_FAILPOINTS=f"{name}=kill@{hit or 1}")
        assert killed.returncode == -signal.SIGKILL, f"{point}: {killed.stderr}"
        refused = target.run("search", "boiler", code=78)
        assert "not complete" in refused.stderr and "semantik migrate" in refused.stderr
    done = source.json("migrate", "--to", str(env))
    assert done["proved"], done
    assert sums(postgresql_url) == sums(source.url)
    assert fingerprints(source.data_dir) == before
    assert {row["name"] for row in target.json("collections", "list")} == {"House"}


@pytest.mark.crash
def test_killed_at_five_random_moments_it_comes_to_the_same(source: Semantik, tmp_path: Path) -> None:
    """Moments that nobody chose, between the start of Python and the last comparison."""
    chance = random.Random(5)
    folder = tmp_path / "target"
    for _ in range(5):
        process = source.start("migrate", "--to", str(folder))
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=chance.uniform(1.0, 8.0))
        process.kill()
        process.communicate()
    assert source.json("migrate", "--to", str(folder))["proved"]
    assert sums(f"sqlite:///{folder / 'semantik.db'}") == sums(source.url)
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".index-of")) == []


def test_a_planted_difference_is_named_and_the_target_refused(source: Semantik, tmp_path: Path, postgresql_url: str) -> None:
    target = Semantik(tmp_path / "target", {"SEMANTIK_DATABASE_URL": postgresql_url})
    env = tmp_path / ".env.target"
    env.write_text(f"SEMANTIK_DATA_DIR={target.data_dir}\nSEMANTIK_DATABASE_URL={postgresql_url}\nSEMANTIK_EMBEDDING_MODEL=hashing\n")
    assert source.json("migrate", "--to", str(env))["proved"]
    with writing(postgresql_url) as connection, connection.begin():
        changed = connection.scalar(sa.select(documents.c.id).where(documents.c.name == "pump.txt").limit(1))
        connection.execute(sa.update(documents).where(documents.c.id == changed).values(title="Not what it was"))
        connection.execute(sa.delete(jobs))
    text, other = sorted((target.data_dir / "blobs").glob("*/??/*"), key=lambda path: path.name)[:2]
    text.unlink()
    other.write_bytes(b"x" * other.stat().st_size)
    shutil.rmtree(target.data_dir / "index")

    found = source.json("migrate", "--to", str(env), "--verify", code=1)
    assert not found["proved"]
    differences = " / ".join(found["differences"])
    assert f"documents: as many rows, with other content ({changed})" in differences
    assert "jobs: " in differences and "rows at the source, 0 at the target" in differences
    assert f"({text.name[:12]}, {other.name[:12]})" in differences
    assert "points belong there, the target holds 0" in differences
    refused = target.run("serve", "--port", "0", code=78)
    assert "the verification found: jobs: " in refused.stderr and "Go on with the source" in refused.stderr


def test_index_and_files_alone_move_beside_a_database_that_stays(source: Semantik, tmp_path: Path, qdrant: str) -> None:
    before = fingerprints(source.data_dir)
    with reading(source.url, still=True) as connection:
        named = connection.execute(sa.select(documents.c.tenant_id, documents.c.content_hash).where(documents.c.name == "note 7.md")).one()
    lost = source.data_dir / "blobs" / named.tenant_id / named.content_hash[:2] / named.content_hash
    lost.unlink()
    del before[str(lost.relative_to(source.data_dir))]

    found = source.json("migrate", "--to", qdrant, "--to", f"file://{tmp_path / 'files'}")

    assert found["proved"]
    assert found["notes"] == ["1 files are missing at the source; syncing their sources stores them anew."]
    what = {check["what"].partition(" ")[0] for check in found["checks"]}
    assert what == {"files", "index", "searches", "recall"}, "rows stay where they are"
    assert fingerprints(source.data_dir) == before
    settings = {"SEMANTIK_QDRANT_URL": qdrant, "SEMANTIK_BLOBS_URL": f"file://{tmp_path / 'files'}"}
    assert Semantik(source.data_dir, settings).answers()[0][0].startswith("A letter about the boiler")


def test_a_store_that_does_not_answer_is_named_and_the_rest_waits(source: Semantik, tmp_path: Path, s3_endpoint: str) -> None:
    keys = {"SEMANTIK_BLOBS_ACCESS_KEY": services.S3_KEY, "SEMANTIK_BLOBS_SECRET_KEY": services.S3_SECRET}
    keyed = Semantik(source.data_dir, keys)
    to = ("migrate", "--to", f"sqlite:///{tmp_path / 'copy.db'}", "--to")
    away = keyed.run(*to, f"s3://tests/away?endpoint=http://127.0.0.1:{services.free_port()}", code=75)
    assert "does not answer" in away.stderr and "Traceback" not in away.stderr
    assert keyed.json(*to, f"s3://tests/{tmp_path.name}?endpoint={s3_endpoint}")["proved"]


def test_what_cannot_be_migrated_is_refused_and_nothing_is_written(source: Semantik, tmp_path: Path, postgresql_url: str) -> None:
    to = ("migrate", "--to", postgresql_url)
    owner = ownership.claim(source.data_dir)
    try:
        assert "in use by process" in source.run(*to, code=1).stderr
    finally:
        owner.release()
    assert "no database" in Semantik(tmp_path / "nowhere", {}).run(*to, code=1).stderr
    assert "does not hold all rows" in source.run(*to, "--verify", code=1).stderr
    assert set(sums(postgresql_url).values()) == {one for one in sums(postgresql_url).values() if one.rows == 0}

    with alone(postgresql_url) as first:
        assert first and "another migration fills" in source.run(*to, code=1).stderr

    (tmp_path / "other").mkdir()
    other = Semantik(tmp_path / "other" / "data", {})
    other.run("collections", "create", "Another")
    assert other.json(*to)["proved"]
    assert "filled from another installation" in source.run(*to, code=1).stderr
    Semantik(other.data_dir, {"SEMANTIK_DATABASE_URL": postgresql_url}).run("collections", "list")
    assert "has been used since" in other.run(*to, code=1).stderr
    with writing(postgresql_url) as connection, connection.begin():
        connection.exec_driver_sql("DELETE FROM moves")
    assert "is not empty" in other.run(*to, code=1).stderr


@pytest.mark.parametrize(
    ("to", "rows", "files", "index"),
    [
        (["postgresql://u:p@db/semantik"], True, False, False),
        (["http://qdrant:6333", "s3://bucket/prefix"], False, True, True),
        (["/srv/elsewhere"], True, True, True),
        (["file:///srv/files"], False, True, False),
    ],
)
def test_an_address_says_which_part_moves(tmp_path: Path, to: list[str], rows: bool, files: bool, index: bool) -> None:
    found = ends(Settings(data_dir=tmp_path), to)
    assert (found.rows, found.files, found.index) == (rows, files, index)


@pytest.mark.parametrize(
    "to", [["nonsense"], ["ftp://x/y"], ["postgresql://a/b", "postgresql://c/d"], ["{same}"], ["mysql://u:secret@d/x"]]
)
def test_what_is_no_place_is_refused(tmp_path: Path, to: list[str]) -> None:
    with pytest.raises(BadTarget) as raised:
        ends(Settings(data_dir=tmp_path), [part.replace("{same}", str(tmp_path)) for part in to])
    assert "secret" not in raised.value.detail


@pytest.mark.parametrize("url", ["postgresql://u:secret@host:port/x", "mysql://u:secret@host/x"])
def test_an_address_that_cannot_be_read_is_not_repeated(tmp_path: Path, url: str) -> None:
    (tmp_path / "env").write_text(f"SEMANTIK_DATABASE_URL={url}\n")
    with pytest.raises(Misconfigured, match="the address of a database") as raised:
        ends(Settings(data_dir=tmp_path), [str(tmp_path / "env")])
    assert "secret" not in raised.value.detail + str(raised.value.__cause__)


def test_an_interrupt_ends_it_between_two_pages_and_the_command_goes_on(source: Semantik, tmp_path: Path) -> None:
    folder = tmp_path / "target"
    process = source.start("migrate", "--to", str(folder), SEMANTIK_TEST_FAILPOINTS="move_rows_noted=stop@5")
    assert process.pid == os.waitpid(process.pid, os.WUNTRACED)[0]
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "the same command goes on from there" in said and "Traceback" not in said, said
    target = Semantik(folder, {})
    assert "not complete" in target.run("collections", "list", code=78).stderr
    assert source.json("migrate", "--to", str(folder))["proved"]
    assert {row["name"] for row in target.json("collections", "list")} == {"House"}


def test_a_target_in_another_encoding_is_refused(source: Semantik, postgres_server: services.Postgres) -> None:
    administer(postgres_server, "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        assert "is kept in LATIN1" in source.run("migrate", "--to", postgres_server.url("latin"), code=1).stderr
    finally:
        administer(postgres_server, "DROP DATABASE latin")


def test_an_ordinary_user_who_owns_the_database_is_enough(source: Semantik, tmp_path: Path, postgres_server: services.Postgres) -> None:
    """Neither superuser nor past the policies, as it is on a server of somebody else's; there, and as the source of the way back."""
    for statement in (
        f"DO $$ BEGIN CREATE ROLE {APP_ROLE} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        f"CREATE ROLE mover LOGIN IN ROLE {APP_ROLE}",
        "CREATE DATABASE moved OWNER mover",
    ):
        administer(postgres_server, statement)
    url = postgres_server.url("moved").replace("postgres@", "mover@")
    try:
        assert source.json("migrate", "--to", url)["proved"]
        server = Semantik(source.data_dir, {"SEMANTIK_DATABASE_URL": url})
        assert {row["name"] for row in server.json("collections", "list")} == {"House"}
        assert server.json("migrate", "--to", f"sqlite:///{tmp_path / 'back.db'}")["proved"]
    finally:
        administer(postgres_server, "DROP DATABASE moved WITH (FORCE)")
        administer(postgres_server, "DROP ROLE mover")
