"""What a move will carry and about how long it will take, without writing anything."""

from __future__ import annotations

import time
from itertools import islice

from semantik.engines.blobs.location import FolderPlace
from semantik.engines.vectors.base import POINTS_A_CALL
from semantik.features.moving.compare import SEARCHES
from semantik.features.moving.ends import place_of_files
from semantik.features.moving.opening import Held, source_files
from semantik.features.moving.values import Part, Prediction
from semantik.kit.concurrency import run_cpu
from semantik.kit.ids import TenantId
from semantik.kit.settings import Settings
from semantik.rows import files, points
from semantik.rows.opening import Connection
from semantik.rows.order import moved
from semantik.rows.pages import count, pages
from semantik.rows.sums import Tally
from semantik.runtime import open_vectors

# A row is read and written once, then read and summed on both sides: in units of reading and summing it here (bench/migrate).
_PASSES = 3.5
_SAMPLED_PAGES = 3
# By bench/migrate on two cores. A bucket over a slow line takes as long as the line does.
_FILE_S, _FILE_BYTES_S = 0.004, 40e6
_POINT_S = 0.0006
_FILES_A_STEP = 256
# What a Qdrant server is asked beside its points: for each compared search twice a sample and twice both lists.
_CALLS_A_SEARCH = 6


async def predict(held: Held) -> Prediction:
    """Counts are exact; bytes are those of the content, without indexes, rows' from a sample of each table; seconds are about right.

    Raises `IndexUnavailable` for a Qdrant server at the target that does not answer.
    """
    parts: list[Part] = []
    if held.ends.rows:
        parts += await run_cpu(_rows, held.source)
    if held.ends.files:
        parts.append(await _files(held))
    if held.ends.index:
        call_s = await _call_s(held.ends.target)
        parts += await run_cpu(_index, held.source, call_s)
    return Prediction(parts)


def _rows(source: Connection) -> list[Part]:
    parts = []
    for table in moved():
        rows = count(source, table)
        tally = Tally(table)
        began = time.perf_counter()
        for number, page in enumerate(pages(source, table), 1):
            tally.add(page.rows)
            if number == _SAMPLED_PAGES:
                break
        took = time.perf_counter() - began
        share = rows / tally.sum.rows if tally.sum.rows else 0.0
        parts.append(Part(table.name, rows, round(tally.sum.content_bytes * share), took * share * _PASSES))
    return parts


async def _files(held: Held) -> Part:
    """Measured in a folder. Of a bucket the rows say it: asking it for each file takes as long as the line does."""
    found = await run_cpu(files.expected, held.source)
    number, size = found.files, found.content_bytes
    if isinstance(place_of_files(held.ends.source), FolderPlace):
        number, size = await _measured(held)
    return Part("files", number, size, number * _FILE_S + size / _FILE_BYTES_S)


async def _measured(held: Held) -> tuple[int, int]:
    store = await source_files(held.ends)
    number = total = 0
    try:
        names = files.named(held.source)
        while batch := await run_cpu(lambda: list(islice(names, _FILES_A_STEP))):
            sizes = [await store.size(TenantId(tenant), name) for tenant, name in batch]
            number += sum(size is not None for size in sizes)
            total += sum(size or 0 for size in sizes)
    finally:
        await store.close()
    return number, total


async def _call_s(target: Settings) -> float:
    """How long a server takes to answer at all; what lies in this process takes no way."""
    if target.qdrant_url is None:
        return 0.0
    store = open_vectors(target)
    try:
        await store.health()  # Connects.
        began = time.perf_counter()
        await store.health()
        return time.perf_counter() - began
    finally:
        await store.close()


def _index(source: Connection, call_s: float) -> list[Part]:
    parts = []
    for key, dimensions in points.spaces(source):
        expected = sum(number for *_, number in points.corpora(source, key))
        calls = expected / POINTS_A_CALL + min(SEARCHES, expected) * _CALLS_A_SEARCH
        parts.append(Part(f"index {key}", expected, expected * dimensions * 4, expected * _POINT_S + calls * call_s))
    return parts
