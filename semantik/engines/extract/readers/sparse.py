"""Cells of an XLSX sheet one by one: for sheets whose cells lie so far apart that the rectangle around them fits nowhere."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from typing import IO

from lxml import etree

from semantik.engines.extract.flow import clean

_S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_PLACE = re.compile(r"([A-Z]{1,3})(\d{1,7})$")


def shared_strings(archive: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    strings = []
    with archive.open("xl/sharedStrings.xml") as stream:
        for _, element in _events(stream, f"{_S}si"):
            strings.append("".join(piece.text or "" for piece in element.iter(f"{_S}t")))
            element.clear()
    return strings


def sheet_parts(archive: zipfile.ZipFile) -> list[tuple[str, str]]:
    """(name shown, name of the part) in the order of the workbook."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    relations = {
        str(entry.get("Id")): posixpath.normpath(posixpath.join("xl", str(entry.get("Target")))).removeprefix("/")
        for entry in etree.fromstring(archive.read("xl/_rels/workbook.xml.rels"), parser)
        if "worksheet" in str(entry.get("Type"))
    }
    sheets = etree.fromstring(archive.read("xl/workbook.xml"), parser).iter(f"{_S}sheet")
    found = [(clean(str(sheet.get("name"))), relations.get(str(sheet.get(f"{_R}id")), "")) for sheet in sheets]
    return [(name, part.replace("xl/xl/", "xl/")) for name, part in found if part]


def read_sheet(archive: zipfile.ZipFile, part: str, strings: list[str]) -> Iterator[tuple[int, dict[int, str]]]:
    """(row number, column number from 1 -> text) for each row that has cells."""
    number = 0
    with archive.open(part) as stream:
        for _, row in _events(stream, f"{_S}row"):
            number = int(row.get("r") or number + 1)
            cells: dict[int, str] = {}
            column = 0
            for cell in row.iter(f"{_S}c"):
                place = _PLACE.match(str(cell.get("r") or ""))
                column = _column(place.group(1)) if place else column + 1
                text = _text(cell, strings)
                if text:
                    cells[column] = clean(text)
            row.clear()
            while (parent := row.getparent()) is not None and row.getprevious() is not None:
                del parent[0]
            if cells:
                yield number, cells


def read_ods(archive: zipfile.ZipFile) -> Iterator[tuple[str, int, dict[int, str]]]:
    """(sheet, row number, column number from 1 -> text) of an OpenDocument spreadsheet; repeated cells count once."""
    sheet, row, column = "", 1, 1
    cells: dict[int, str] = {}
    with archive.open("content.xml") as stream:
        for event, element in etree.iterparse(stream, events=("start", "end"), resolve_entities=False, no_network=True, huge_tree=False):
            if event == "start":
                if element.tag == f"{_TABLE}table":
                    sheet, row = clean(str(element.get(f"{_TABLE}name") or "")), 1
                elif element.tag == f"{_TABLE}table-row":
                    column, cells = 1, {}
            elif element.tag in (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
                text = " ".join(" ".join(str(piece) for piece in line.itertext()) for line in element.iter(f"{_TEXT}p"))
                if text.strip():
                    cells[column] = clean(text)
                column += _repeat(element, "columns")
                element.clear()
            elif element.tag == f"{_TABLE}table-row":
                if cells:
                    yield sheet, row, cells
                row += _repeat(element, "rows")
                element.clear()


def _repeat(element: etree._Element, what: str) -> int:
    told = str(element.get(f"{_TABLE}number-{what}-repeated") or "1")
    return int(told) if told.isdecimal() and len(told) < 8 else 1


def _events(stream: IO[bytes], tag: str) -> Iterator[tuple[str, etree._Element]]:
    return iter(etree.iterparse(stream, events=("end",), tag=tag, resolve_entities=False, no_network=True, huge_tree=False))


def _text(cell: etree._Element, strings: list[str]) -> str:
    kind = cell.get("t")
    if kind == "inlineStr":
        return "".join(piece.text or "" for piece in cell.iter(f"{_S}t"))
    value = cell.find(f"{_S}v")
    raw = (value.text or "") if value is not None else ""
    if kind == "s":
        return strings[int(raw)] if raw.isdecimal() and int(raw) < len(strings) else ""
    if kind == "b":
        return "TRUE" if raw == "1" else "FALSE"
    return raw


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number
