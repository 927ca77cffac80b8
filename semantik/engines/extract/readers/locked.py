"""Encrypted Office documents: opened with the password given, or with the one that Excel uses for read-only workbooks."""

from __future__ import annotations

import io

import olefile

from semantik.engines.extract import readers
from semantik.engines.extract.decrypt import NotThePassword, Unopenable, open_package
from semantik.engines.extract.document import Document
from semantik.engines.extract.refusal import damaged, failed, locked
from semantik.engines.extract.sink import Sink
from semantik.engines.extract.sniff import HEAD, sniff

# [MS-OFFCRYPTO] 2.3.7: what Excel encrypts a workbook with that is only protected against changes.
_READ_ONLY = "VelvetSweatshop"


def read(document: Document, sink: Sink) -> None:
    words = document.kind.words
    try:
        with olefile.OleFileIO(io.BytesIO(document.read())) as ole:
            info = ole.openstream("EncryptionInfo").read()
            package = ole.openstream("EncryptedPackage").read()
    except (OSError, ValueError, IndexError, TypeError, AttributeError) as error:
        raise damaged(words, "its encryption header is missing") from error
    opened = None
    for password in (document.password, _READ_ONLY) if document.password is not None else (_READ_ONLY,):
        try:
            opened = open_package(info, package, password)
            break
        except NotThePassword:
            continue
        except Unopenable as error:
            raise failed(
                "needs_password",
                f"The {words} is encrypted by {error}, which is not opened here.",
                "Save it without a password and replace the file.",
            ) from error
    if opened is None:
        raise locked(words, document.password)
    path = document.scratch / "opened-package"
    path.write_bytes(opened)
    try:
        kind, charset = sniff(path, document.name, len(opened), opened[:HEAD])
        if kind.reader == "locked":
            raise damaged(words, "it is encrypted twice")
        inner = Document(
            path, document.name, len(opened), opened[:HEAD], kind, document.limits, document.scratch, None, charset, document.allow_memory
        )
        document.kind = kind
        readers.load(kind.reader)(inner, sink)
        sink.metadata["encrypted"] = True
    finally:
        path.unlink(missing_ok=True)
