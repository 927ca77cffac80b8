"""Proves a move: rows by count and checksum, files by count, bytes and a sample read whole, the index by count and searches.

Searches are asked of both indexes, with vectors that lie between stored ones and with words of passages: an exact scan must give
the same hits, ties apart, and the graph must find as many of them as the source's does, within a tenth of a point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from semantik.engines.blobs.base import BlobDamaged, BlobStore
from semantik.engines.blobs.verify import read_through
from semantik.engines.embedding import bm25
from semantik.engines.vectors.base import Corpus, Filters, IndexDamaged, Query, SideResult, Space, VectorStore
from semantik.features.moving.opening import Held, copied_index, require_still, source_files
from semantik.features.moving.patience import patient, patiently
from semantik.features.moving.threads import watched
from semantik.features.moving.values import Check, Report, Watcher
from semantik.jobs.failpoints import fp
from semantik.kit.concurrency import run_cpu, together
from semantik.kit.errors import Conflict
from semantik.kit.ids import TenantId
from semantik.rows import files, moves, points, sums
from semantik.rows.opening import Connection, reading, writing
from semantik.rows.order import moved
from semantik.rows.pages import count
from semantik.runtime import open_blobs, open_vectors

SEARCHES = 40
HITS = 10
# What two engines may differ by in a score (tests/engines/vectors/test_congruence.py): below it the order is chance.
_TIE = 1e-3
# A tenth of a point of recall.
_RECALL = 0.001
_FILES_AT_ONCE = 16
_FILES_READ = 64
_LARGEST_READ = 64 * 1024 * 1024


class NothingToVerify(Conflict):
    code = "nothing_to_verify"
    title = "The target was not filled yet"
    default_hint = "Run the same command without --verify."


def require_filled(held: Held) -> None:
    """Raises `NothingToVerify` for a target that the rows have not reached to the last."""
    if not held.ends.rows:
        return
    progress = held.move.progress if held.move is not None else {}
    if not all((done := progress.get(f"rows:{table.name}")) and done.ended for table in moved()):
        raise NothingToVerify("the target does not hold all rows yet")


async def verify(held: Held, watcher: Watcher, *, seed: int = 0) -> Report:
    """Compares everything that moved, and settles the target's mark: proved, or unusable with what differs."""
    report = Report()
    if held.ends.rows:
        await watched(_rows, watcher, held, report)
    if held.ends.files:
        await _files(held, report, watcher)
    if held.ends.index:
        await _index(held, report, watcher, seed)
    await run_cpu(require_still, held)
    fp("move_compared")
    if held.ends.rows:
        await run_cpu(_settle, held.ends.target.sqlalchemy_url, report)
    return report


def _settle(url: str, report: Report) -> None:
    with writing(url) as connection, connection.begin():
        moves.settle(connection, differences=report.differences)


def _rows(watcher: Watcher, held: Held, report: Report) -> None:
    with reading(held.ends.target.sqlalchemy_url, still=True) as target, target.begin():
        for table in moved():
            watcher.step(f"compare {table.name}", 2 * count(held.source, table))
            source, copy = (sums.of_table(connection, table, seen=watcher.seen) for connection in (held.source, target))
            difference = None
            if source.rows != copy.rows:
                difference = f"{table.name}: {source.rows:,} rows at the source, {copy.rows:,} at the target"
            elif source != copy:
                difference = f"{table.name}: as many rows, with other content"
            if difference is not None and (keys := sums.differing(held.source, target, table)):
                difference += f" ({', '.join(keys)})"
            report.checks.append(Check(table.name, _shown(source), _shown(copy), difference))


def _shown(found: sums.Sum) -> str:
    return f"{found.rows:,} rows, {found.digest[:12]}"


async def _files(held: Held, report: Report, watcher: Watcher) -> None:
    source = await source_files(held.ends)
    target = await open_blobs(held.ends.target, read_only=True)
    try:
        await _compare_files(held.source, source=source, target=target, report=report, watcher=watcher)
    finally:
        await source.close()
        await target.close()


async def _compare_files(rows: Connection, *, source: BlobStore, target: BlobStore, report: Report, watcher: Watcher) -> None:
    total = (await run_cpu(files.expected, rows)).files
    watcher.step("compare files", total)
    counts, sizes = [0, 0], [0, 0]
    lacking: list[str] = []
    lost = 0
    names = files.named(rows)
    every = max(1, total // _FILES_READ)

    async def both(number: int, tenant: TenantId, name: str) -> tuple[int | None, int | None]:
        there, copy = await source.size(tenant, name), await target.size(tenant, name)
        if number % every == 0 and copy is not None and copy <= _LARGEST_READ and not await _is_whole(target, tenant, name):
            return there, None
        return there, copy

    seen = 0
    while batch := await run_cpu(lambda: list(islice(names, 256))):
        asked = (both(seen + place, TenantId(tenant), name) for place, (tenant, name) in enumerate(batch))
        found = await together(asked, at_once=_FILES_AT_ONCE)
        for (_, name), pair in zip(batch, found, strict=True):
            lost += pair[0] is None and pair[1] is None
            for side, size in enumerate(pair):
                counts[side] += size is not None
                sizes[side] += size or 0
            # A damaged one at the source has its size there, and is not carried.
            if pair[0] != pair[1] and len(lacking) < 5:
                lacking.append(name[:12])
        seen += len(batch)
        watcher.seen(len(batch))
    difference = None
    if counts[0] != counts[1] or sizes[0] != sizes[1] or lacking:
        difference = f"files: {counts[0]:,} of {sizes[0]:,} bytes at the source, {counts[1]:,} of {sizes[1]:,} at the target"
        difference += f" ({', '.join(lacking)})"
    if lost:
        report.notes.append(f"{lost:,} files are missing at the source; syncing their sources stores them anew.")
    shown = [f"{number:,}, {size:,} bytes" for number, size in zip(counts, sizes, strict=True)]
    report.checks.append(Check("files", shown[0], shown[1], difference))


async def _is_whole(store: BlobStore, tenant: TenantId, name: str) -> bool:
    try:
        await read_through(store, tenant, name)
    except BlobDamaged:
        return False
    return True


async def _index(held: Held, report: Report, watcher: Watcher, seed: int) -> None:
    with copied_index(held.ends) as source_settings:
        target = open_vectors(patient(held.ends.target))
        source = None if source_settings is None else open_vectors(patient(source_settings))
        try:
            for key, dimensions in await run_cpu(points.spaces, held.source):
                space = Space(key, dimensions)
                await _compare_space(held.source, space, source=source, target=target, report=report, watcher=watcher, seed=seed)
        finally:
            await target.close()
            if source is not None:
                await source.close()


async def _compare_space(
    rows: Connection, space: Space, *, source: VectorStore | None, target: VectorStore, report: Report, watcher: Watcher, seed: int
) -> None:
    corpora: dict[str, dict[tuple[str, int], int]] = {}
    for tenant, collection, generation, held in await run_cpu(points.corpora, rows, space.key):
        corpora.setdefault(tenant, {})[collection, generation] = held
    expected = sum(sum(counts.values()) for counts in corpora.values())
    wholes = [Corpus(TenantId(tenant), tuple(counts)) for tenant, counts in corpora.items()]
    there = await _count(target, space, wholes)
    difference = None if there == expected else f"index {space.key}: {expected:,} points belong there, the target holds {there:,}"
    report.checks.append(Check(f"index {space.key}", f"{expected:,} points by the rows", f"{there:,} points", difference))
    if not expected or difference is not None:
        return
    present = 0 if source is None else await _count(source, space, wholes)
    if present < expected:
        report.notes.append(f"The source's index {space.key} holds {present:,} of {expected:,} points, so no searches were compared.")
        return
    assert source is not None, "it holds points"
    watcher.step(f"compare searches {space.key}", min(SEARCHES, expected))
    searches: list[_Search] = []
    share = max(1, SEARCHES // len(wholes))
    for corpus in wholes[:SEARCHES]:
        sampled = await run_cpu(points.sample, rows, corpus.tenant, space.key, count=share + 1, seed=seed)
        for number, row in enumerate(sampled[:share]):
            query = _between(corpus, row, sampled[number - 1])
            if query is not None:
                searches.append(await _ask_both(rows, (source, target), query, space=space))
            watcher.seen(1)
    report.checks += _checks(searches, space.key)


async def _count(store: VectorStore, space: Space, corpora: Sequence[Corpus]) -> int:
    try:
        return sum([await patiently(partial(store.count, space, corpus)) for corpus in corpora])
    except IndexDamaged:
        return 0


@dataclass(frozen=True, slots=True)
class _Search:
    """One search, asked of both. `wanted`: hits of the exact scan; `found`: how many of them the graph gave, at source and target."""

    equal: bool
    wanted: int
    found: tuple[int, int]


def _checks(searches: Sequence[_Search], key: str) -> list[Check]:
    if not searches:
        return []
    equal, wanted = sum(one.equal for one in searches), sum(one.wanted for one in searches)
    recalls = [sum(one.found[side] for one in searches) / wanted if wanted else 1.0 for side in (0, 1)]
    unequal = len(searches) - equal
    differs = f"searches in {key}: {unequal} of {len(searches)} have other hits at the target" if unequal else None
    lower = None
    if recalls[1] < recalls[0] - _RECALL:
        lower = f"searches in {key}: recall is {recalls[1]:.4f} at the target, {recalls[0]:.4f} at the source"
    return [
        Check(f"searches {key}", f"{len(searches)}", f"{equal} with the same hits", differs),
        Check(f"recall at {HITS} {key}", f"{recalls[0]:.4f}", f"{recalls[1]:.4f}", lower),
    ]


def _between(corpus: Corpus, row: Any, other: Any) -> Query | None:
    """A query of the direction between two stored vectors, and of the first words of a passage; None where there is neither.

    Points that are about to leave the source's index may stand among its hits: more is asked for, and they are passed over.
    """
    dense = None
    if row["vector"] is not None:
        one, two = (np.frombuffer(part["vector"] or row["vector"], dtype="<f2").astype(np.float32) for part in (row, other))
        dense = 0.7 * one + 0.3 * two
    sparse, _ = bm25.query_vector(" ".join(row["text"].split()[:12]), [row["language"]])
    words = sparse if len(sparse.indices) else None
    return None if dense is None and words is None else Query(corpus, Filters(), dense, words, 3 * HITS)


async def _ask_both(rows: Connection, stores: tuple[VectorStore, VectorStore], query: Query, *, space: Space) -> _Search:
    exact = [await patiently(partial(store.query, space, replace(query, exact=True))) for store in stores]
    graph = [await patiently(partial(store.query, space, query)) for store in stores]
    asked = {id for answer in (*exact, *graph) for side in (answer.dense, answer.sparse) if side for id in side.found.ids}
    alive = await run_cpu(points.known, rows, asked)
    sides = ((exact[0].dense, exact[1].dense), (exact[0].sparse, exact[1].sparse))
    equal = all(_same(_top(one, alive), _top(other, alive)) for one, other in sides)
    truth = {id for id, _ in _top(exact[1].dense, alive)}
    at_source, at_target = (len(truth & {id for id, _ in _top(answer.dense, alive)}) for answer in graph)
    return _Search(equal, len(truth), (at_source, at_target))


def _top(side: SideResult | None, alive: set[str]) -> list[tuple[str, float]]:
    if side is None:
        return []
    return [(id, score) for id, score in zip(side.found.ids, side.found.scores, strict=True) if id in alive][:HITS]


def _same(one: Sequence[tuple[str, float]], other: Sequence[tuple[str, float]]) -> bool:
    """Equal sets, but for hits whose score is as good as that of the last: there rounding decides."""
    if len(one) != len(other):
        return False
    for mine, theirs in ((one, other), (other, one)):
        last = mine[-1][1] if mine else 0.0
        sure = {id for id, score in mine if score > last + _TIE * max(1.0, abs(last))}
        if not sure <= {id for id, _ in theirs}:
            return False
    return True
