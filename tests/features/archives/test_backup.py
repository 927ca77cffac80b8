"""A backup is taken while the installation serves, restored into either kind, and refused when it is not whole."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tarfile
import uuid
from io import BytesIO
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa

from semantik import migrations
from semantik.auth.actor import Actor
from semantik.features.archives import backup, hold
from semantik.features.ingestion.job_args import CleanUpStore
from semantik.jobs.queue import enqueue
from semantik.kit import metrics
from semantik.kit.archive import ArchiveDamaged, Framer
from semantik.kit.clock import now
from semantik.kit.database import Database
from semantik.kit.files import FileInTheWay
from semantik.kit.settings import Settings
from semantik.rows import opening, order, sums
from semantik.runtime import Runtime
from semantik.tables.documents import embeddings, file_holds
from tests import services
from tests.conftest import job_ended
from tests.features.archives.installations import answers, empty, examined, fill, started
from tests.flows.steps import make_collection

here = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def silent(_: str) -> None:
    """For whoever does not watch."""


@pytest.mark.long
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "server"])
async def test_an_installation_comes_back_whole_on_either_kind(
    client: httpx2.AsyncClient, actor: Actor, settings: Settings, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    await fill(client, tmp_path / "papers")
    before = await answers(client)
    embedded = metrics.TEXTS_EMBEDDED.labels(engine="hashing")._value.get()
    taken = await backup.take(settings, tmp_path / "all.backup", told=silent)

    with empty(kind, tmp_path / "restored", lambda: request.getfixturevalue("postgres_server")) as target:
        restored = await backup.restore(target, tmp_path / "all.backup", told=silent)
        assert (restored.documents, restored.chunks, restored.files) == (taken.documents, taken.chunks, taken.files)
        assert restored.problems == 0
        async with started(target, actor) as there:
            assert await answers(there) == before
            assert (await examined(there))["found"] == {}
            assert metrics.TEXTS_EMBEDDED.labels(engine="hashing")._value.get() == embedded, "nothing is embedded"
            listed = (await there.get("/api/v1/documents", params={"limit": 50})).json()["items"]
            original = await there.get(f"/api/v1/documents/{next(one['id'] for one in listed if one['path'] == 'alone.html')}/original")
            assert original.content == b"<p>Nobody else has this ferry timetable.</p>"
    assert (tmp_path / "all.backup").stat().st_mode & 0o077 == 0, "whoever reads it reads everything"


@here
@pytest.mark.long
async def test_originals_move_into_a_bucket_and_back_into_a_folder(
    client: httpx2.AsyncClient, actor: Actor, settings: Settings, tmp_path: Path, s3_endpoint: str
) -> None:
    bucket = {
        "blobs_url": f"s3://tests/restored-{uuid.uuid4().hex}?endpoint={s3_endpoint}",
        "blobs_access_key": services.S3_KEY,
        "blobs_secret_key": services.S3_SECRET,
    }
    await fill(client, tmp_path / "papers")
    before = await answers(client)
    await backup.take(settings, tmp_path / "one.backup", told=silent)
    with empty("bucket", tmp_path / "there", lambda: pytest.fail("not needed"), lambda: bucket) as there:
        await backup.restore(there, tmp_path / "one.backup", told=silent)
        taken = await backup.take(there, tmp_path / "two.backup", told=silent)
    with empty("sqlite", tmp_path / "back", lambda: pytest.fail("not needed")) as back:
        restored = await backup.restore(back, tmp_path / "two.backup", told=silent)
        assert (restored.files, restored.problems, taken.problems) == (taken.files, 0, 0)
        async with started(back, actor) as client_there:
            assert await answers(client_there) == before
            assert (await examined(client_there))["found"] == {}


async def test_a_backup_while_a_job_runs_is_of_one_moment_and_the_job_goes_on_where_it_was_restored(
    client: httpx2.AsyncClient, actor: Actor, settings: Settings, tmp_path: Path
) -> None:
    made = await make_collection(client)
    parts = [("files", (f"{number}.html", f"<p>Page {number} about the lighthouse.</p>".encode())) for number in range(120)]
    job_id = (await client.post(f"/api/v1/collections/{made['id']}/uploads", files=parts)).json()["job_id"]
    while not (await client.get(f"/api/v1/jobs/{job_id}")).json()["counts"]["done"]:
        await asyncio.sleep(0.02)
    await backup.take(settings, tmp_path / "all.backup", told=silent)
    running = (await client.get(f"/api/v1/jobs/{job_id}")).json()
    await job_ended(client, job_id)

    with empty("sqlite", tmp_path / "restored", lambda: pytest.fail("not needed")) as target:
        assert (await backup.restore(target, tmp_path / "all.backup", told=silent)).problems == 0
        async with started(target, actor) as there:
            ended = await job_ended(there, job_id)
            assert ended["status"] == "completed" and running["status"] in ("running", "completed")
            ledger = (await there.get(f"/api/v1/collections/{made['id']}")).json()["ledger"]
            assert ledger["indexed"] == 120
            assert (await examined(there))["found"] == {}


@here
async def test_no_stored_file_goes_while_a_backup_holds_them(client: httpx2.AsyncClient, actor: Actor, runtime: Runtime) -> None:
    async def pieces() -> object:
        yield b"nobody names this"

    ref = await runtime.blobs.put(actor.tenant_id, pieces())  # type: ignore[arg-type]  # an async generator is what is asked for

    async def swept() -> int:
        async with runtime.database.write() as session:
            job = await enqueue(session, CleanUpStore(older_than_s=0), actor=actor, title="Sweep")
            await session.commit()
        ended = await job_ended(client, job.id)
        return int(ended["result"]["files_removed"])

    async with hold.held(runtime.database):
        assert await swept() == 0
        assert await runtime.blobs.exists(actor.tenant_id, ref.hash)
    assert await swept() == 1
    async with runtime.database.read() as session:
        assert (await session.execute(sa.select(file_holds))).all() == []


@here
async def test_a_hold_that_ran_out_spoils_the_backup(
    client: httpx2.AsyncClient, settings: Settings, tmp_path: Path, database: Database
) -> None:
    async def lapse() -> None:
        async with database.write() as session:
            await session.execute(sa.update(file_holds).values(expires_at=now().replace(year=2001)))
            await session.commit()

    def told(text: str) -> None:
        # Of rows it is told on the thread that reads them, so the loop is free for what is waited for here.
        if text.startswith("documents:"):
            asyncio.run_coroutine_threadsafe(lapse(), loop).result()

    loop = asyncio.get_running_loop()
    await fill(client, tmp_path / "papers")
    with pytest.raises(hold.HoldLost):
        await backup.take(settings, tmp_path / "all.backup", told=told)
    assert list(tmp_path.glob("all.backup*")) == []


@here
async def test_lost_files_do_not_stop_a_backup_and_are_said(
    client: httpx2.AsyncClient, actor: Actor, settings: Settings, tmp_path: Path
) -> None:
    await fill(client, tmp_path / "papers")
    stored = sorted(file for file in (settings.data_dir / "blobs" / actor.tenant_id).rglob("*") if file.is_file())
    stored[0].unlink()
    stored[1].write_bytes(b"the disk wrote this")
    assert (await backup.take(settings, tmp_path / "all.backup", told=silent)).problems == 2
    with empty("sqlite", tmp_path / "restored", lambda: pytest.fail("not needed")) as target:
        await backup.restore(target, tmp_path / "all.backup", told=silent)
        async with started(target, actor) as there:
            assert set((await examined(there))["found"]) == {"blob_missing"}


@here
async def test_nothing_is_restored_over_anything_and_no_file_is_written_over(
    client: httpx2.AsyncClient, settings: Settings, tmp_path: Path
) -> None:
    await fill(client, tmp_path / "papers")
    await backup.take(settings, tmp_path / "all.backup", told=silent)
    with pytest.raises(FileInTheWay):
        await backup.take(settings, tmp_path / "all.backup", told=silent)
    with pytest.raises(backup.TargetNotEmpty, match="the target already holds an installation with 10 documents"):
        await backup.restore(settings, tmp_path / "all.backup", told=silent)


# Ends its process, as by SIGKILL, when a word is told: what is left is what a crash leaves.
_DYING = """
import asyncio, os, sys
from pathlib import Path
from semantik.features.archives import backup, hold
from semantik.kit.settings import Settings
what, word, file, folder, url = sys.argv[1:]
def told(text):
    if word in text:
        os._exit(9)
settings = Settings(data_dir=Path(folder), database_url=url or None, embedding_model="hashing", extract_workers=1, ocr=False)
asyncio.run(getattr(backup, what)(settings, Path(file), told=told))
"""


@here
@pytest.mark.long
async def test_whoever_is_killed_in_the_middle_leaves_nothing_that_looks_whole(
    client: httpx2.AsyncClient, actor: Actor, settings: Settings, tmp_path: Path
) -> None:
    def dies(what: str, word: str, file: Path, folder: Path, url: str) -> None:
        ended = subprocess.run([sys.executable, "-c", _DYING, what, word, str(file), str(folder), url], timeout=100, check=False)
        assert ended.returncode == 9

    await fill(client, tmp_path / "papers")
    before = await answers(client)
    assert settings.database_url is not None
    url, file = settings.database_url.get_secret_value(), tmp_path / "all.backup"
    for word in ("documents:", "stored files"):
        await asyncio.to_thread(dies, "take", word, file, settings.data_dir, url)
        assert not file.exists() and file.with_name("all.backup.partial").exists()
    await backup.take(settings, file, told=silent)
    assert not file.with_name("all.backup.partial").exists()

    with empty("sqlite", tmp_path / "restored", lambda: pytest.fail("not needed")) as target:
        for word in ("stored files", "chunks:"):
            await asyncio.to_thread(dies, "restore", word, file, target.data_dir, "")
        await backup.restore(target, file, told=silent)
        async with started(target, actor) as there:
            assert await answers(there) == before


@here
async def test_every_row_and_every_time_is_the_same_afterwards(client: httpx2.AsyncClient, settings: Settings, tmp_path: Path) -> None:
    await fill(client, tmp_path / "papers")
    await backup.take(settings, tmp_path / "all.backup", told=silent)
    with empty("sqlite", tmp_path / "restored", lambda: pytest.fail("not needed")) as target:
        await backup.restore(target, tmp_path / "all.backup", told=silent)
        with opening.reading(settings.sqlalchemy_url) as here, opening.reading(target.sqlalchemy_url) as there:
            for table in order.moved():
                if table.name != "vector_spaces":
                    assert sums.of_table(here, table) == sums.of_table(there, table), table.name
            assert sums.of_table(there, embeddings).rows > 0


async def _refused(file: Path, folder: Path) -> str:
    """The sentence of the refusal; whatever was refused, nothing was written."""
    with empty("sqlite", folder, lambda: pytest.fail("not needed")) as target:
        with pytest.raises(ArchiveDamaged) as refusal:
            await backup.restore(target, file, told=silent)
    assert not folder.exists()
    return refusal.value.detail


@here
async def test_a_spoilt_backup_is_refused_wherever_it_is_spoilt(client: httpx2.AsyncClient, settings: Settings, tmp_path: Path) -> None:
    await fill(client, tmp_path / "papers")
    file = tmp_path / "all.backup"
    await backup.take(settings, file, told=silent)
    whole = file.read_bytes()
    with tarfile.open(file) as listed:
        offsets = {member.name: member.offset_data for member in listed}
    places = {0, 100, 700, len(whole) // 2, offsets["end.json"] + 5, *list(offsets.values())[1::9]}
    for number, place in enumerate(sorted(places)):
        spoilt = tmp_path / f"spoilt-{number}"
        spoilt.write_bytes(whole[:place] + bytes([whole[place] ^ 0x20]) + whole[place + 1 :])
        await _refused(spoilt, tmp_path / f"target-{number}")
    end = json.loads(whole[offsets["end.json"] :].split(b"\0", 1)[0])
    for said in ('"rows": ', end["rows"]["documents"]["digest"], '"files": '):
        place = whole.index(said.encode(), offsets["end.json"]) + len(said)
        spoilt = tmp_path / f"spoilt-{said[:9]}"
        spoilt.write_bytes(whole[: place - 1] + bytes([whole[place - 1] ^ 1]) + whole[place:])
        await _refused(spoilt, tmp_path / f"target-{said[:9]}")
    for number, length in enumerate((0, 1, 511, 512, 5_000, len(whole) // 2, offsets["end.json"] - 512, len(whole) - 1024, len(whole) - 1)):
        short = tmp_path / f"short-{number}"
        short.write_bytes(whole[:length])
        await _refused(short, tmp_path / f"target-s{number}")
    (tmp_path / "long").write_bytes(whole + b"and more")
    assert "something follows its end" in await _refused(tmp_path / "long", tmp_path / "target-long")


def _made(*members: tuple[str, bytes]) -> bytes:
    framer = Framer()
    manifest = {"format": backup.FORMAT, "version": backup.VERSION, "revision": migrations.head()}
    content = framer.member("manifest.json", json.dumps(manifest).encode())
    content += b"".join(framer.member(name, body) for name, body in members)
    return content + framer.end({"rows": {}, "files": 0, "problem_count": 0})


def _tar(member: tarfile.TarInfo) -> bytes:
    framer = Framer()
    return framer.member("manifest.json", b"{}") + member.tobuf(tarfile.USTAR_FORMAT) + bytes(1024)


def _link() -> tarfile.TarInfo:
    made = tarfile.TarInfo("blobs/x")
    made.type, made.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return made


def _endless() -> tarfile.TarInfo:
    made = tarfile.TarInfo("rows/chunks/000001.jsonl")
    made.size = 8 * 1024**3 - 1
    return made


_DEEP = b'["id"]\n[' + b"[" * 100_000 + b"]" * 100_000 + b"]\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 this is a zip file, or says so" + bytes(2000),
        _made(("../../etc/cron.d/x", b"* * * * *")),
        _made(("blobs/../../../x/" + "0" * 64, b"x")),
        _made(("/etc/passwd", b"x")),
        _made(("rows/tenants/000001.jsonl", b"no json")),
        _made(("rows/tenants/000001.jsonl", _DEEP)),
        _made(("rows/tenants/000001.jsonl", b'["id","name"]\n["a"]\n')),
        _made(("rows/tenants/000001.jsonl", b'["id","name","created_at"]\n["a","b",7]\n')),
        _made(("rows/tenants/000001.jsonl", b'["id","name","created_at"]\n["a","\\ud800","2026-01-01T00:00:00+00:00"]\n')),
        _made(("rows/tenants/000001.jsonl", b'["id","name","created_at"]\n["a","b","2026-01-01T00:00:00+00:00"]\n')),
        _made(("rows/sqlite_master/000001.jsonl", b'["sql"]\n["x"]\n')),
        _made(("rows/tenants/000001.jsonl", b'["id","name"]\n["a","b"]\n')),
        _tar(_link()),
        _tar(_endless()),
    ],
    ids=range(15),
)
async def test_a_made_up_archive_is_refused_and_writes_nothing(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "hostile"
    file.write_bytes(content)
    assert await _refused(file, tmp_path / "target")
    assert [one.name for one in tmp_path.iterdir()] == ["hostile"]


def test_sizes_beyond_eight_gibibytes_are_written_as_every_tar_reads_them() -> None:
    head = Framer().head("blobs/x", 9 * 1024**3)
    assert tarfile.TarInfo.frombuf(head, "ascii", "strict").size == 9 * 1024**3


def test_any_tar_program_lists_what_we_write() -> None:
    framer = Framer()
    content = framer.member("manifest.json", b"{}") + framer.member("rows/a/000001.jsonl", b"x" * 700) + framer.end({})
    with tarfile.open(fileobj=BytesIO(content)) as listed:
        assert listed.getnames() == ["manifest.json", "rows/a/000001.jsonl", "end.json"]


@here
async def test_keys_are_no_part_of_a_backup(client: httpx2.AsyncClient, settings: Settings, tmp_path: Path) -> None:
    await fill(client, tmp_path / "papers")
    await backup.take(settings, tmp_path / "all.backup", told=silent)
    keys = json.loads((settings.data_dir / "keys.json").read_text())["keys"]
    assert keys and keys[0].encode() not in (tmp_path / "all.backup").read_bytes()
