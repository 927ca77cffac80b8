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
# Titles and notes may stand above the row that names the columns.
_HEADER_ROWS = 10
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
    """Renders rows of one table into parts; a row is never parted between parts unless it is longer than a part.

    The first row of words above other rows names the columns; every later row repeats those names, so that a chunk
    of rows says what its figures are.
    """

    def __init__(self, sink: Sink, *, sheet: str | None = None) -> None:
        self._sink = sink
        self._sheet = sheet
        self._header: dict[int, str] = {}
        self._pending: tuple[int, list[str]] | None = None
        self._texts: list[str] = []
        self._rows: list[tuple[int, int]] = []
        self._length = 0
        self.count = 0

    def row(self, number: int, cells: list[str]) -> None:
        values = [" ".join(cell.split()) if "\n" in cell or "  " in cell else cell.strip() for cell in cells]
        if not any(values):
            return
        self.count += 1
        if self._pending is not None:
            self._decide(values)
        if not self._header and self.count <= _HEADER_ROWS:
            self._pending = (number, values)
        else:
            self._write(number, self._render(values))

    def sparse_row(self, number: int, cells: dict[int, str]) -> None:
        """Cells by column number from 1, of a sheet too wide for a list."""
        self.count += 1
        self._write(number, " | ".join(" ".join(value.split()) for value in cells.values()))

    def finish(self) -> None:
        if self._pending is not None:
            self._write(self._pending[0], self._render(self._pending[1]))
            self._pending = None
        self._give()

    def _decide(self, below: list[str]) -> None:
        """Whether the pending row names the columns of the row below it: words, no two alike, hardly a gap."""
        assert self._pending is not None
        number, row = self._pending
        self._pending = None
        named = {index: cell for index, cell in enumerate(row) if cell}
        words = [cell for cell in named.values() if len(cell) <= 100 and not _NUMBER.match(cell)]
        filled = [index for index, cell in enumerate(below) if cell]
        covers = sum(1 for index in filled if index in named)
        # Years and quarters head columns too, so a few figures among the words are well.
        if (
            1 < len(named) <= NAMED_COLUMNS
            and len(words) * 2 > len(named)
            and len(set(named.values())) == len(named)
            and covers * 3 >= len(filled) * 2
        ):
            self._header = named
        self._write(number, " | ".join(named.values()))

    def _render(self, values: list[str]) -> str:
        header = self._header
        return " | ".join(f"{header[index]}: {value}" if index in header else value for index, value in enumerate(values) if value)

    def _write(self, number: int, line: str) -> None:
        if len(line) < TARGET_PART:
            self._put(number, line + "\n")
            return
        for start in range(0, len(line), TARGET_PART - 1):
            self._put(number, line[start : start + TARGET_PART - 1] + "\n")

    def _put(self, number: int, piece: str) -> None:
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
