"""What a move will carry and about how long it will take, without writing anything."""

from __future__ import annotations

import time

from semantik.features.moving.opening import Held
from semantik.features.moving.values import Part, Prediction
from semantik.rows import files, points
from semantik.rows.order import moved
from semantik.rows.pages import count, pages
from semantik.rows.sums import Tally

# A row is read and written once, then read and summed on both sides: in units of reading and summing it here (bench/migrate).
_PASSES = 3.5
_SAMPLED_PAGES = 3
# By bench/migrate on two cores. A bucket over a slow line takes as long as the line does.
_FILE_S, _FILE_BYTES_S = 0.004, 40e6
_POINT_S = 0.0006


def predict(held: Held) -> Prediction:
    """Counts are exact; bytes are those of the content, without indexes, from a sample of each table; seconds are about right."""
    parts: list[Part] = []
    if held.ends.rows:
        for table in moved():
            rows = count(held.source, table)
            tally = Tally(table)
            began = time.perf_counter()
            for number, page in enumerate(pages(held.source, table), 1):
                tally.add(page.rows)
                if number == _SAMPLED_PAGES:
                    break
            took = time.perf_counter() - began
            share = rows / tally.sum.rows if tally.sum.rows else 0.0
            parts.append(Part(table.name, rows, round(tally.sum.content_bytes * share), took * share * _PASSES))
    if held.ends.files:
        found = files.expected(held.source)
        parts.append(Part("files", found.files, found.content_bytes, found.files * _FILE_S + found.content_bytes / _FILE_BYTES_S))
    if held.ends.index:
        for key, dimensions in points.spaces(held.source):
            expected = sum(number for *_, number in points.corpora(held.source, key))
            parts.append(Part(f"index {key}", expected, expected * dimensions * 4, expected * _POINT_S))
    return Prediction(parts)
