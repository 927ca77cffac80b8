"""ZIP, TAR, gzip, bzip2 and xz as folders: each member becomes a document of its own, within the budgets of the tree."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

from semantik.engines.extract import unzip
from semantik.engines.extract.document import Document
from semantik.engines.extract.guards import RATIO_FLOOR, ZIP_ERRORS, ratio_too_high
from semantik.engines.extract.readers.members import Members
from semantik.engines.extract.refusal import PASSWORD_HINT, Refused, damaged, failed, partial, size_words, skipped
from semantik.engines.extract.sink import Sink

PIECE = 256 * 1024
_STREAM_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)
# Left by file managers in folders they have seen; nobody means to index them.
_LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


def read(document: Document, sink: Sink) -> None:
    members = Members(document, sink)
    if document.kind.name == "zip":
        _zip(document, members)
    elif document.kind.name == "tar":
        with open(document.path, "rb") as file:
            _tar(file, sink, members)
    else:
        _packed(document, sink, members)
    members.conclude()
    if members.given == 0 and not sink.losses:
        raise skipped("no_text", f"The {document.kind.words} is empty.")


def _litter(name: str) -> bool:
    return name.startswith(_LITTER[0]) or name.rpartition("/")[2] in _LITTER[1:]


def _zip(document: Document, members: Members) -> None:
    try:
        with zipfile.ZipFile(document.path) as archive:
            for entry in archive.infolist():
                if entry.is_dir() or _litter(entry.filename):
                    continue
                _zip_member(document, archive, entry, members)
                if members.full:
                    members.refuse("", 0, "archive_too_many", "")
                    break
    except ZIP_ERRORS as error:
        raise damaged(document.kind.words) from error


def _zip_member(document: Document, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, members: Members) -> None:
    name, size = entry.filename, entry.file_size
    if stat.S_ISLNK(entry.external_attr >> 16):
        members.refuse(name, size, "unsafe_member", "It is a symbolic link, which is not followed.")
        return
    if ratio_too_high(entry):
        reason = f"It expands from {size_words(entry.compress_size)} to {size_words(size)}."
        members.refuse(name, size, "archive_bomb", reason)
        return
    if entry.flag_bits & 1 and document.password is None:
        members.refuse(
            name,
            size,
            "needs_password",
            "It is encrypted and needs a password.",
            "Add the password to the archive that holds it, then retry.",
        )
        return
    try:
        pieces = unzip.pieces(archive, entry, document.password)
        members.add(name, _guarded(pieces), claimed=size, packed=entry.compress_size)
    except unzip.WrongPassword:
        members.refuse(name, size, "wrong_password", "The password given does not open it.", PASSWORD_HINT)
    except unzip.UnknownMethod as error:
        members.refuse(
            name, size, "unsupported_type", f"It is packed by {error}, which is not read.", "Pack the archive again as plain ZIP."
        )


def _guarded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """A member that breaks while it is unpacked is refused alone."""
    try:
        yield from pieces
    except (unzip.WrongPassword, unzip.UnknownMethod):
        raise
    except (*ZIP_ERRORS, zlib.error, lzma.LZMAError) as error:
        raise failed("damaged", "It is damaged and cannot be unpacked.", "Pack the archive again.") from error


def _read_all(stream: IO[bytes]) -> Iterator[bytes]:
    while piece := stream.read(PIECE):
        yield piece


class _Counted(io.RawIOBase):
    """A stream that ends the reading when more comes out of it than the tree may hold."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream = stream
        self._left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        data = self._stream.read(len(view))
        self._left -= len(data)
        if self._left < 0:
            raise failed(
                "archive_bomb",
                "It expands to more than the unpacked bytes that are read of one archive.",
                "Split the archive, or raise SEMANTIK_ARCHIVE_MAX_BYTES.",
            )
        view[: len(data)] = data
        return len(data)


def _tar(stream: IO[bytes], sink: Sink, members: Members) -> None:
    try:
        with tarfile.open(fileobj=stream, mode="r|", errorlevel=0) as archive:
            for entry in archive:
                if entry.isdir() or _litter(entry.name):
                    continue
                if not entry.isreg():
                    members.refuse(entry.name, 0, "unsafe_member", "It is a link or a device, which is not followed.")
                elif entry.issparse() and entry.size > RATIO_FLOOR:
                    members.refuse(entry.name, entry.size, "archive_bomb", f"It is a file of {size_words(entry.size)} made of holes.")
                else:
                    file = archive.extractfile(entry)
                    assert file is not None, "a regular file has content"
                    members.add(entry.name, _read_all(file), claimed=entry.size)
                if members.full:
                    members.refuse("", 0, "archive_too_many", "")
                    break
    except (tarfile.TarError, *_STREAM_ERRORS) as error:
        if members.given == 0:
            raise damaged("TAR archive") from error
        sink.lose(
            partial(
                "truncated",
                "The TAR archive is cut off or damaged; the members after that are lost.",
                "Replace it with the whole file, then retry.",
            )
        )


def _packed(document: Document, sink: Sink, members: Members) -> None:
    openers: dict[str, Callable[[Path], object]] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
    opener = openers[document.kind.name]
    try:
        with cast(IO[bytes], opener(document.path)) as stream:
            head = stream.read(512)
    except _STREAM_ERRORS as error:
        raise damaged(document.kind.words) from error
    try:
        with cast(IO[bytes], opener(document.path)) as stream:
            if head[257:262] == b"ustar":
                # Headers and padding of small members may take up more room than the members.
                _tar(
                    cast(IO[bytes], io.BufferedReader(_Counted(stream, members.bytes_left * 2 + RATIO_FLOOR))),
                    sink,
                    members,
                )
            else:
                name = _inner_name(document.name)
                members.add(name, _guarded(_read_all(stream)), packed=document.size)
    except Refused as refusal:
        if members.given == 0:
            raise
        sink.lose(partial(refusal.code, refusal.reason, refusal.hint))
    except _STREAM_ERRORS as error:
        raise damaged(document.kind.words) from error


def _inner_name(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.suffix.lower() in (".gz", ".bz2", ".xz", ".lzma", ".z"):
        return path.stem or "content"
    return f"{path.name}.content"
