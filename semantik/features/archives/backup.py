"""A whole installation as one file, taken while it serves, and an empty one filled from it.

Rows come from one snapshot of the database. Stored files are written after it: their names are their content, and while the
backup holds them none is removed (`file_holds`). Vectors are rows (`embeddings`); the index is filled from rows at the next
start, by whichever engine is there. Keys are no part of it.

    rows/<table>/<number>.jsonl   blocks of rows, parents first (`rows/lines.py`)
    blobs/<tenant>/<sha256>       originals and texts
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel

from semantik import __version__, migrations
from semantik.engines.blobs.base import BlobDamaged, BlobMissing, BlobStore
from semantik.features.archives import files, repository
from semantik.features.archives.hold import held
from semantik.kit import ownership, settings
from semantik.kit.archive import MANIFEST, Archive, ArchiveDamaged, Framer, checked
from semantik.kit.clock import now
from semantik.kit.concurrency import closing, run_cpu, threaded
from semantik.kit.errors import Conflict
from semantik.kit.files import appearing, opened
from semantik.kit.ids import TenantId
from semantik.kit.settings import Settings
from semantik.rows import files as stored
from semantik.rows import lines, opening, order, pages, sums, writing
from semantik.runtime import open_blobs, open_sql, open_vectors
from semantik.tables.base import metadata

FORMAT, VERSION = "semantik-backup", 1

_NAMES = re.compile(r"rows/[a-z_]{1,63}/\d{6,12}\.jsonl|blobs/[0-9a-f-]{36}/[0-9a-f]{64}")
# Named in the archive; all are counted.
_MOST_PROBLEMS = 1_000
# Tables that whoever takes a backup knows by name; the others are nobody's affair.
_TOLD = ("documents", "chunks")
# Of these a backup may say how it was set up; where things lie and what opens them is the target's own affair.
_PLACES = {"data_dir", "host", "port", "server_url", "public_url", "blobs_url"}

Told = Callable[[str], None]


class BackupOutdated(Conflict):
    code = "backup_other_schema"
    title = "The backup was taken by another version"


class TargetNotEmpty(Conflict):
    code = "target_not_empty"
    title = "There is something in the target already"


class _Sum(BaseModel):
    rows: int
    digest: str


class _End(BaseModel):
    """What the last member says. `problems`: the first of them, each its code, its tenant and its hash."""

    rows: dict[str, _Sum]
    files: int
    problem_count: int
    problems: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Summary:
    """`problems`: stored files that are missing or damaged."""

    documents: int
    chunks: int
    files: int
    size_bytes: int
    problems: int


async def take(chosen: Settings, target: Path, *, told: Told) -> Summary:
    """Writes the backup; the file appears under its name only when it is whole."""
    await run_cpu(migrations.require_head, chosen.sqlalchemy_url)
    async with AsyncExitStack() as stack:
        database = open_sql(chosen)
        stack.push_async_callback(database.close)
        blobs = await open_blobs(chosen, read_only=True)
        stack.push_async_callback(blobs.close)
        file = stack.enter_context(appearing(target))
        backup = _Backup(chosen, blobs, told)
        async with held(database):
            async with closing(backup.pieces()) as pieces:
                async for piece in pieces:
                    await run_cpu(file.write, piece)
        return _summary(backup.end, file.tell())


async def restore(chosen: Settings, source: Path, *, told: Told) -> Summary:
    """Fills an empty installation. Files first, then all rows in one transaction: an interrupted one left none and may be begun again."""
    with opened(source) as file:
        archive = Archive(file, _NAMES)
        manifest = archive.manifest()
        if (manifest.get("format"), manifest.get("version")) != (FORMAT, VERSION):
            raise ArchiveDamaged("the file is no backup of a whole installation", hint="Bundles: semantik collections import.")
        if manifest.get("revision") != migrations.head():
            raise BackupOutdated(
                f"the backup stands at schema {manifest.get('revision')}, this version of Semantik at {migrations.head()}",
                hint=f"Restore it with Semantik {manifest.get('semantik')}, then upgrade.",
            )
        told("Reading the backup through")
        end = checked(_End, await run_cpu(archive.verify), "the backup's end")
        # The end is under no checksum, so what it says of the rows is compared before anything is written.
        await run_cpu(_require_whole, archive, end)
        owner = ownership.share(chosen.data_dir) if chosen.server_mode else ownership.claim(chosen.data_dir)
        try:
            await _require_empty(chosen)
            damaged = await _restore_files(chosen, archive, told)
            await run_cpu(_restore_rows, chosen.sqlalchemy_url, archive, end, told)
        finally:
            owner.release()
    for line in _differing(manifest.get("settings"), chosen):
        told(line)
    found = _summary(end, source.stat().st_size)
    return replace(found, problems=found.problems + damaged)


def _summary(end: _End, size_bytes: int) -> Summary:
    documents, chunks = (end.rows[name].rows if name in end.rows else 0 for name in _TOLD)
    return Summary(documents, chunks, end.files, size_bytes, end.problem_count)


class _Backup:
    """One backup on its way out. `end` says what is in it once all its bytes have been given."""

    def __init__(self, chosen: Settings, blobs: BlobStore, told: Told) -> None:
        self.end = _End(rows={}, files=0, problem_count=0, problems=[])
        self._chosen, self._blobs, self._told = chosen, blobs, told
        self._framer = Framer()

    async def pieces(self) -> AsyncIterator[bytes]:
        end = self.end
        with tempfile.TemporaryFile("w+", encoding="ascii") as names:
            self._told("Reading the database")
            async with closing(threaded(self._rows(names))) as rows:
                async for piece in rows:
                    yield piece
            names.seek(0)
            self._told(f"Writing {end.files:,} stored files")
            for name in names:
                tenant, _, blob_hash = name.strip().partition("/")
                try:
                    packed = files.packed(self._framer, self._blobs, TenantId(tenant), blob_hash, f"blobs/{tenant}/{blob_hash}")
                    async with closing(packed):
                        async for piece in packed:
                            yield piece
                except (BlobMissing, BlobDamaged) as error:
                    end.problem_count += 1
                    if len(end.problems) < _MOST_PROBLEMS:
                        end.problems.append((error.code, tenant, blob_hash))
        yield self._framer.end(end.model_dump())

    def _rows(self, names: IO[str]) -> Generator[bytes, None, None]:
        """The manifest and every table out of one snapshot; writes down the names of the files that its documents name."""
        with opening.reading(self._chosen.sqlalchemy_url) as connection:
            yield self._framer.member(MANIFEST, _manifest(self._chosen))
            for table in order.moved():
                tally, number = sums.Tally(table), 0
                for page in pages.pages(connection, table):
                    tally.add(page.rows)
                    for block in lines.blocks(table, page.rows):
                        number += 1
                        yield self._framer.member(f"rows/{table.name}/{number:06}.jsonl", block)
                self.end.rows[table.name] = _Sum(rows=tally.sum.rows, digest=tally.sum.digest)
                if table.name in _TOLD:
                    self._told(f"{table.name}: {tally.sum.rows:,}")
            for tenant, blob_hash in stored.named(connection):
                names.write(f"{tenant}/{blob_hash}\n")
                self.end.files += 1


def _manifest(chosen: Settings) -> bytes:
    shown = {row.name: row.value for row in settings.origins(data_dir=chosen.data_dir) if row.origin != "default" and not row.secret}
    made = {
        "format": FORMAT,
        "version": VERSION,
        "semantik": __version__,
        "revision": migrations.head(),
        "taken_at": now().isoformat(),
        "settings": {name: value for name, value in shown.items() if name not in _PLACES},
    }
    return json.dumps(made, ensure_ascii=False, indent=1).encode()


async def _require_empty(chosen: Settings) -> None:
    documents = await run_cpu(_documents, chosen.sqlalchemy_url)
    if documents is not None:
        raise TargetNotEmpty(
            f"the target already holds an installation with {documents:,} document{'' if documents == 1 else 's'}, "
            "and a backup is restored into an empty one only",
            hint="Name another data folder or database, or remove what is in this one yourself.",
        )
    vectors = open_vectors(chosen)
    try:
        for space in await vectors.spaces():
            if points := await vectors.count(space):
                raise TargetNotEmpty(f"the target's vector index already holds {points:,} points", hint="Remove it, or name another one.")
    finally:
        await vectors.close()


def _documents(url: str) -> int | None:
    """How many documents an installation has; None where there is none."""
    migrations.upgrade(url)
    with opening.writing(url) as connection:
        return pages.count(connection, metadata.tables["documents"]) if pages.filled(connection) else None


async def _restore_files(chosen: Settings, archive: Archive, told: Told) -> int:
    """Returns how many files were not those of their names; documents that name them are the doctor's affair."""
    damaged = done = 0
    blobs = await open_blobs(chosen)
    try:
        for member in archive.members():
            if member.name.startswith("blobs/"):
                _, tenant, blob_hash = member.name.split("/")
                damaged += not await files.unpacked(archive, member, blobs, TenantId(tenant), blob_hash)
                done += 1
        told(f"{done:,} stored files are here; now the database")
    finally:
        await blobs.close()
    return damaged


def _require_whole(archive: Archive, end: _End) -> None:
    """Raises `ArchiveDamaged` for rows that cannot be read here, and for rows and files that are not those that the end tells of."""
    tallies = {table.name: sums.Tally(table) for table in order.moved()}
    for name, rows in _rows(archive):
        tallies[name].add(rows)
    for name, tally in tallies.items():
        said = end.rows.get(name, _Sum(rows=0, digest=f"{0:064x}"))
        if (tally.sum.rows, tally.sum.digest) != (said.rows, said.digest):
            raise ArchiveDamaged(f"the rows of {name} are not those that were written")
    there = sum(member.name.startswith("blobs/") for member in archive.members())
    if not there <= end.files <= there + end.problem_count:
        raise ArchiveDamaged(f"the backup holds {there:,} stored files, and its end tells of {end.files:,}")


def _restore_rows(url: str, archive: Archive, end: _End, told: Told) -> None:
    tables = {table.name: table for table in order.moved()}
    with opening.writing(url) as connection, connection.begin():
        for name, rows in _rows(archive):
            writing.write(connection, tables[name], rows)
        for name in _TOLD:
            told(f"{name}: {end.rows[name].rows if name in end.rows else 0:,}")
        writing.reset_sequences(connection, list(tables.values()))
        repository.ask_for_rebuilds(connection, "restored")


def _rows(archive: Archive) -> Iterator[tuple[str, list[pages.Row]]]:
    """Block by block, with the name of the table."""
    tables = {table.name: table for table in order.moved()}
    for member in archive.members():
        if not member.name.startswith("rows/"):
            continue
        table = tables.get(member.name.split("/")[1])
        if table is None:
            raise ArchiveDamaged(f"the backup has rows of {member.name.split('/')[1]}, which this version does not know")
        names, rows = lines.read(table, archive.read(member, most=lines.MAX_BLOCK_BYTES))
        if names != [column.name for column in table.columns]:
            raise ArchiveDamaged(f"the rows of {table.name} have other columns than this version's")
        yield table.name, [tuple(row) for row in rows]


def _differing(kept: Any, chosen: Settings) -> Iterator[str]:
    """Settings that the backup was taken with and this installation does not have, as they would be set."""
    present = {row.name: row.value for row in settings.origins(data_dir=chosen.data_dir)}
    for name, value in (kept if isinstance(kept, dict) else {}).items():
        if name in present and present[name] != value:
            shown = ",".join(map(str, value)) if isinstance(value, list) else value
            yield f"The backup was taken with {settings.PREFIX}{name.upper()}={shown}"
