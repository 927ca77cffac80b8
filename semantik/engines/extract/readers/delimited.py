"""CSV and TSV, streamed: each row becomes a line that a reader understands alone, `header: value` pairs with its row number kept."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator

from semantik.engines.extract.document import Document
from semantik.engines.extract.flow import TARGET_PART
from semantik.engines.extract.readers.plain import lines
from semantik.engines.extract.sink import Sink

# Wider rows are data, not something to read; their cells are joined without header names.
NAMED_COLUMNS = 200
_SNIFF_LINES = 50
# A quoted cell that runs on for longer was never closed.
_CELL_LINES = 100
_CELL_CHARS = 64 * 1024
_NUMBER = re.compile(r"[-+]?[\d.,'\s]*\d[\d.,'\s]*%?$")


def read(document: Document, sink: Sink) -> None:
    source = lines(document)
    first = [line for _, line in zip(range(_SNIFF_LINES), source, strict=False)]
    delimiter = "\t" if document.kind.name == "tsv" else separator(first)
    table = Table(sink)
    for number, cells in _rows(_chain(first, source), delimiter):
        table.row(number, cells)
    table.finish()
    sink.metadata["rows"] = table.count
    sink.metadata["delimiter"] = delimiter


def separator(sample: list[str]) -> str:
    """The delimiter that parts most sampled lines into the same number of cells."""
    best, score = ",", 0.0
    for candidate in ",;\t|":
        counts = [line.count(candidate) for line in sample if line.strip()]
        if not counts or max(counts) == 0:
            continue
        usual = max(set(counts), key=counts.count)
        value = counts.count(usual) / len(counts) * min(usual, 5) if usual else 0.1
        if value > score:
            best, score = candidate, value
    return best


def _chain(first: Iterable[str], rest: Iterator[str]) -> Iterator[str]:
    yield from first
    yield from rest


def _rows(source: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(row number as a spreadsheet counts it from 1, cells). A quote that is never closed ends with its line, not with the file."""
    pending: list[str] = []
    length = quotes = number = 0
    for line in source:
        pending.append(line)
        length += len(line)
        quotes += line.count('"')
        if quotes % 2 == 0:
            number += 1
            yield from _parsed("".join(pending), number, delimiter)
        elif len(pending) < _CELL_LINES and length < _CELL_CHARS:
            # The cell goes on in the next line.
            continue
        else:
            for single in pending:
                number += 1
                yield from _parsed(single, number, delimiter, quoted=False)
        pending, length, quotes = [], 0, 0
    for single in pending:
        number += 1
        yield from _parsed(single, number, delimiter, quoted=False)


def _parsed(text: str, number: int, delimiter: str, quoted: bool = True) -> Iterator[tuple[int, list[str]]]:
    if '"' not in text or not quoted:
        yield number, text.rstrip("\n").split(delimiter)
        return
    try:
        for cells in csv.reader([text], delimiter=delimiter, strict=False):
            yield number, cells
            return
    except csv.Error:
        yield number, text.rstrip("\n").split(delimiter)


class Table:
    """Renders rows of one table into parts; rows are never parted between parts unless one is longer than a part."""

    def __init__(self, sink: Sink, *, sheet: str | None = None) -> None:
        self._sink = sink
        self._sheet = sheet
        self._header: list[str] | None = None
        self._pending: tuple[int, list[str]] | None = None
        self._texts: list[str] = []
        self._rows: list[tuple[int, int]] = []
        self._length = 0
        self.count = 0

    def row(self, number: int, cells: list[str]) -> None:
        values = [" ".join(cell.split()) if len(cell) < 10_000 else cell.replace("\n", " ") for cell in cells]
        while values and not values[-1]:
            values.pop()
        if not any(values):
            return
        self.count += 1
        if self.count == 1:
            self._pending = (number, values)
            return
        if self._pending is not None:
            self._decide(values)
        self._write(number, self._render(values))

    def finish(self) -> None:
        if self._pending is not None:
            self._write(self._pending[0], " | ".join(self._pending[1]))
            self._pending = None
        self._give()

    def _decide(self, second: list[str]) -> None:
        """The first row is a header when it is words without gaps or repetition, and not shaped like what follows."""
        assert self._pending is not None
        number, first = self._pending
        self._pending = None
        words = all(cell and len(cell) < 200 and not _NUMBER.match(cell) for cell in first)
        if words and len(set(first)) == len(first) and 1 < len(first) <= NAMED_COLUMNS:
            self._header = first
        self._write(number, " | ".join(first))

    def _render(self, values: list[str]) -> str:
        header = self._header
        if header is None:
            return " | ".join(values)
        named = [f"{header[index]}: {value}" if index < len(header) else value for index, value in enumerate(values) if value]
        return " | ".join(named)

    def _write(self, number: int, line: str) -> None:
        for start in range(0, len(line), TARGET_PART):
            piece = line[start : start + TARGET_PART] + "\n"
            if self._length + len(piece) > TARGET_PART:
                self._give()
            self._rows.append((self._length, number))
            self._texts.append(piece)
            self._length += len(piece)

    def _give(self) -> None:
        if self._texts:
            rows = tuple(self._rows)
            text = "".join(self._texts)
            self._texts, self._rows, self._length = [], [], 0
            self._sink.part(text, sheet=self._sheet, rows=rows)
