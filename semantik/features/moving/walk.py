"""The move itself: keys, rows, files, points, in this order; each goes on behind what its target holds already.

Rows and the note of them are one transaction. Files are named by their bytes and points by their chunk, so that repeating one
does no harm; they are noted once they are durable. The source is a snapshot that cannot be written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice

from semantik.engines.blobs.base import BlobDamaged, BlobMissing, BlobStore
from semantik.engines.vectors.base import Space
from semantik.features.ingestion import projection
from semantik.features.moving.ledger import Ledger
from semantik.features.moving.opening import Held, keys_and_models, source_files
from semantik.features.moving.patience import patient, patiently
from semantik.features.moving.threads import watched
from semantik.features.moving.values import Watcher
from semantik.jobs.failpoints import fp
from semantik.kit.concurrency import run_cpu, together
from semantik.kit.ids import TenantId
from semantik.rows import files, moves, points
from semantik.rows.moves import Done
from semantik.rows.opening import Connection, analyse, writing
from semantik.rows.order import moved
from semantik.rows.pages import count, pages
from semantik.rows.writing import reset_sequences, write
from semantik.runtime import Runtime, open_runtime

_FILES_A_STEP = 64
_FILES_AT_ONCE = 8
_POINTS_A_STEP = 512


async def carry(held: Held, watcher: Watcher) -> None:
    """Fills the target, which the caller has claimed: marked from the first row, and unusable until a verification has proved it."""
    ends = held.ends
    if ends.rows and held.move is None:
        await run_cpu(_begin, ends.target.sqlalchemy_url, held.fingerprint)
    fp("move_begun")
    await run_cpu(keys_and_models, ends)
    fp("move_keys_carried")
    ledger = Ledger(ends.target.sqlalchemy_url if ends.rows else None, held.move)
    if ends.rows:
        await watched(_rows, watcher, held.source, ends.target.sqlalchemy_url, ledger)
    if ends.files or ends.index:
        # Its database is opened with the rest, and not asked.
        runtime = await open_runtime(patient(ends.target))
        try:
            await _beside_rows(held, runtime, ledger, watcher)
        finally:
            await runtime.close()
    fp("move_filled")


async def _beside_rows(held: Held, runtime: Runtime, ledger: Ledger, watcher: Watcher) -> None:
    if held.ends.files:
        store = await source_files(held.ends)
        try:
            await _files(held.source, source=store, target=runtime.blobs, ledger=ledger, watcher=watcher)
        finally:
            await store.close()
    if held.ends.index:
        await fill_index(held.source, runtime, ledger, watcher)


def _begin(url: str, fingerprint: str) -> None:
    with writing(url) as connection, connection.begin():
        moves.begin(connection, fingerprint)


def _rows(watcher: Watcher, source: Connection, url: str, ledger: Ledger) -> None:
    with writing(url) as target:
        for table in moved():
            step = f"rows:{table.name}"
            done = ledger.of(step)
            watcher.step(table.name, count(source, table), done.done)
            if done.ended:
                continue
            for page in pages(source, table, after=done.after):
                done = Done(page.after, done.done + len(page.rows))
                with target.begin():
                    write(target, table, page.rows)
                    fp("move_rows_written")
                    ledger.note(target, step, done)
                fp("move_rows_noted")
                watcher.seen(len(page.rows))
            with target.begin():
                ledger.note(target, step, replace(done, ended=True))
        with target.begin():
            reset_sequences(target, moved())
            analyse(target)


async def _files(rows: Connection, *, source: BlobStore, target: BlobStore, ledger: Ledger, watcher: Watcher) -> None:
    done = ledger.of("files")
    total = (await run_cpu(files.expected, rows)).files
    watcher.step("files", total, done.done)
    if done.ended:
        return
    names = files.named(rows, after=(done.after[0], done.after[1]) if done.after else None)
    while batch := await run_cpu(_batch, names):
        await together((_file(source, target, TenantId(tenant), name) for tenant, name in batch), at_once=_FILES_AT_ONCE)
        fp("move_file_stored")
        done = Done(list(batch[-1]), done.done + len(batch))
        await run_cpu(ledger.save, "files", done)
        watcher.seen(len(batch))
    await run_cpu(ledger.save, "files", replace(done, ended=True))


async def _file(source: BlobStore, target: BlobStore, tenant: TenantId, name: str) -> None:
    """One that the source has lost is no reason to stop; the verification says which."""
    if await target.exists(tenant, name):
        return
    try:
        await target.put(tenant, source.read(tenant, name))
    except (BlobMissing, BlobDamaged):
        return


def _batch(names: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    return list(islice(names, _FILES_A_STEP))


async def fill_index(rows: Connection, runtime: Runtime, ledger: Ledger, watcher: Watcher) -> None:
    """From the rows, not from the source's index: what is computed there is kept in SQL, and an index may be damaged."""
    for key, dimensions in await run_cpu(points.spaces, rows):
        space = Space(key, dimensions)
        await patiently(partial(runtime.vectors.ensure, space))
        tenants: dict[str, int] = {}
        for tenant, _, _, expected in await run_cpu(points.corpora, rows, key):
            tenants[tenant] = tenants.get(tenant, 0) + expected
        for tenant, expected in tenants.items():
            await _points(space, tenant, expected=expected, rows=rows, runtime=runtime, ledger=ledger, watcher=watcher)


async def _points(
    space: Space, tenant: str, *, expected: int, rows: Connection, runtime: Runtime, ledger: Ledger, watcher: Watcher
) -> None:
    step = f"index:{space.key}:{tenant}"
    done = ledger.of(step)
    watcher.step(f"index {space.key}", expected, done.done)
    if done.ended:
        return
    while True:
        after = done.after[0] if done.after else ""
        page = await run_cpu(points.page, rows, tenant, space.key, after=after, limit=_POINTS_A_STEP)
        if not page:
            break
        model = await runtime.text_model(page[0]["embedding_model"])
        written = await run_cpu(projection.points, tenant, page, model.tokenizer)
        await patiently(partial(runtime.vectors.upsert, space, written))
        await runtime.vectors.flush(space)
        fp("move_points_flushed")
        done = Done([page[-1]["id"]], done.done + len(page))
        await run_cpu(ledger.save, step, done)
        watcher.seen(len(page))
    await run_cpu(ledger.save, step, replace(done, ended=True))
