"""XLSX, XLSB, XLS and ODS by calamine: one table for each sheet, with the row numbers that the sheet shows."""

from __future__ import annotations

import datetime as dt
import re
import zipfile

import python_calamine as calamine
from lxml import etree

from semantik.engines.extract import guards
from semantik.engines.extract.document import Document
from semantik.engines.extract.flow import clean
from semantik.engines.extract.readers.delimited import Table
from semantik.engines.extract.readers.sparse import read_ods, read_sheet, shared_strings, sheet_parts
from semantik.engines.extract.refusal import damaged, failed, locked, partial, skipped
from semantik.engines.extract.sink import Sink

# calamine holds the rectangle around all cells and aborts when it gets no memory for it: 24 bytes a cell.
MAX_CELLS = 8_000_000
_COLUMN = re.compile(rb"\br\s*=\s*[\"']([A-Z]{1,3})[0-9]")
_TALL = re.compile(rb"\br\s*=\s*[\"'][A-Z]{0,3}([0-9]{5,7})[\"']")
_REPEATED = re.compile(rb"number-(columns|rows)-repeated\s*=\s*[\"']([0-9]+)")
_PIECE = 1024**2

_Value = bool | int | float | str | dt.datetime | dt.date | dt.time | dt.timedelta


def read(document: Document, sink: Sink) -> None:
    name, words = document.kind.name, document.kind.words
    far: dict[str, int] = {}
    if name != "xls":
        guards.package(document.path, words)
        if name == "xlsx":
            far = _areas(document)
        elif name == "ods":
            guards.open_document(document.path, words)
            _ods_guard(document)
    if any(area > MAX_CELLS for area in far.values()):
        _sparse(document, sink)
    else:
        _dense(document, sink)
        if sink.chars == 0 and name == "xlsx":
            # calamine reads UTF-8 only and finds nothing in a sheet of another encoding.
            _sparse(document, sink)
    if sink.chars == 0 and not sink.losses:
        raise skipped("no_text", f"The {words} has no cells with values.")


def _dense(document: Document, sink: Sink) -> None:
    words = document.kind.words
    try:
        book = calamine.CalamineWorkbook.from_path(str(document.path))
    except calamine.PasswordError:
        raise _locked(document) from None
    except (calamine.CalamineError, calamine.ZipError, calamine.XmlError, OSError, ValueError) as error:
        raise (_locked(document) if "assword" in str(error) or "ncrypt" in str(error) else damaged(words)) from error
    hidden, broken = [], []
    with book:
        sink.pages = len(book.sheet_names)
        for meta in book.sheets_metadata:
            if meta.typ != calamine.SheetTypeEnum.WorkSheet:
                continue
            if meta.visible != calamine.SheetVisibleEnum.Visible:
                hidden.append(clean(meta.name))
            try:
                sheet = book.get_sheet_by_name(meta.name)
            except calamine.CalamineError as error:
                if "Cell limit" in str(error) and sink.chars == 0:
                    _sparse(document, sink)
                    return
                broken.append(clean(meta.name))
                continue
            except (calamine.WorksheetNotFound, calamine.ZipError, calamine.XmlError, OSError, ValueError):
                broken.append(clean(meta.name))
                continue
            _sheet(sheet, clean(meta.name), sink)
    if hidden:
        sink.metadata["hidden_sheets"] = hidden[:100]
    if broken:
        if sink.chars == 0:
            raise damaged(words)
        sink.lose(
            partial("pages_failed", f"The sheets {', '.join(broken[:10])} cannot be read.", "Save it again with the program that made it.")
        )


def _locked(document: Document) -> Exception:
    if document.kind.name == "xls":
        return failed(
            "needs_password",
            "The Excel 97 workbook is encrypted and needs a password.",
            "Encryption of this old format is not opened here: save it without a password, or as .xlsx, and replace the file.",
        )
    return locked(document.kind.words, document.password)


def _sheet(sheet: calamine.CalamineSheet, name: str, sink: Sink) -> None:
    if sheet.height == 0 or sheet.start is None:
        return
    table = Table(sink, sheet=name)
    # Rows come from the first of the sheet on, empty ones too, so their place is their number.
    for number, row in enumerate(sheet.iter_rows(), 1):
        table.row(number, [shown(value) for value in row])
        if sink.full:
            break
    table.finish()


def shown(value: _Value) -> str:
    """A cell as a person would read it."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.12g}"
        case dt.datetime():
            return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ", "seconds")
        case dt.date() | dt.time():
            return value.isoformat()
        case str():
            return clean(value)
        case _:
            return str(value)


def _areas(document: Document) -> dict[str, int]:
    """An upper bound of the rectangle around the cells of each sheet, from the cells themselves: `<dimension>` may lie."""
    found = {}
    with zipfile.ZipFile(document.path) as archive:
        for entry in archive.infolist():
            if entry.filename.startswith("xl/worksheets/") and entry.filename.endswith(".xml"):
                found[entry.filename] = _area(archive, entry)
    return found


def _area(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    rows, columns = 10_000, 1
    tail = b""
    try:
        with archive.open(entry) as stream:
            while piece := stream.read(_PIECE):
                window = tail + piece
                for letters in set(_COLUMN.findall(window)):
                    columns = max(columns, column_number(letters.decode()))
                for digits in set(_TALL.findall(window)):
                    rows = max(rows, int(digits))
                tail = piece[-64:]
    except guards.ZIP_ERRORS as error:
        raise damaged("Excel workbook", "one of its sheets cannot be unpacked") from error
    return rows * columns


def column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _ods_guard(document: Document) -> None:
    """OpenDocument repeats cells by number: a million columns of a value are a few bytes."""
    try:
        with zipfile.ZipFile(document.path) as archive:
            content = archive.read("content.xml")
    except KeyError:
        raise damaged(document.kind.words, "its content is missing") from None
    except guards.ZIP_ERRORS as error:
        raise damaged(document.kind.words) from error
    columns = rows = 0
    for match in re.finditer(rb"<table:table-(cell|row)\b([^>]*?)(/?)>", content):
        repeated = _REPEATED.search(match.group(2))
        count = int(repeated.group(2)) if repeated else 1
        filled = b"office:value" in match.group(2) or (match.group(1) == b"cell" and not match.group(3))
        if match.group(1) == b"row":
            rows = count
        elif filled:
            columns = max(columns, count)
            if count * rows > MAX_CELLS:
                raise failed(
                    "too_large",
                    f"The {document.kind.words} repeats one value over {count * rows:,} cells; the limit is {MAX_CELLS:,}.",
                    "Delete the repeated cells, then replace the file.",
                )


def _sparse(document: Document, sink: Sink) -> None:
    try:
        with zipfile.ZipFile(document.path) as archive:
            if document.kind.name == "ods":
                _sparse_ods(archive, sink)
                return
            strings = shared_strings(archive)
            for name, part in sheet_parts(archive):
                table = Table(sink, sheet=name)
                for number, cells in read_sheet(archive, part, strings):
                    table.sparse_row(number, cells)
                    if sink.full:
                        break
                table.finish()
    except (*guards.ZIP_ERRORS, etree.XMLSyntaxError, KeyError) as error:
        if sink.chars == 0:
            raise damaged(document.kind.words) from error
        sink.lose(partial("pages_failed", "Some sheets cannot be read.", "Save it again with the program that made it."))


def _sparse_ods(archive: zipfile.ZipFile, sink: Sink) -> None:
    table, current = Table(sink), ""
    for sheet, number, cells in read_ods(archive):
        if sheet != current:
            table.finish()
            table, current = Table(sink, sheet=sheet), sheet
        table.sparse_row(number, cells)
    table.finish()
