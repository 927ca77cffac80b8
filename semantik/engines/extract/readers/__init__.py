"""One file per family of formats; each has `read(document, sink)`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

from semantik.engines.extract.document import Document
from semantik.engines.extract.sink import Sink

Reader = Callable[[Document, Sink], None]

NAMES = ("pdf", "office", "slides", "sheets", "delimited", "web", "plain", "markup", "mail", "archive", "image", "locked", "book")


def load(name: str) -> Reader:
    """The `read` of one family; its vendor library is imported with it."""
    return cast(Reader, importlib.import_module(f"{__name__}.{name}").read)
