"""The port from a file's bytes to text with structure: a stream of parts, then one outcome."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading at `offset` (code points from the start of its part's text). `level` from 1, outermost."""

    offset: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the document's text that chunks never cross: a page, a slide, a sheet's rows, or a piece of flowing text.

    The document's text is the concatenation of its parts' texts, in order; each part ends with a line break.
    At most 256 Ki code points a part; `rows` gives (offset in text, row number from 1) for tables.
    Line ends are \\n, no NUL; `page`, `slide` count from 1. `ocr` marks text that was read from an image.
    The first part of a document carries its media type, which later parts leave out.
    """

    text: str
    headings: tuple[Heading, ...] = ()
    page: int | None = None
    slide: int | None = None
    sheet: str | None = None
    rows: tuple[tuple[int, int], ...] = ()
    ocr: bool = False
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A document inside this one (archive member, mail attachment), written to `path` in the caller's scratch folder.

    `name` is its / separated path inside the container, safe: relative, no "..". `problem` = (code, reason, hint) when it
    was refused; then `path` is None.
    """

    name: str
    path: Path | None
    size_bytes: int
    problem: tuple[str, str, str | None] | None = None


class Verdict(StrEnum):
    OK = "ok"
    PARTIAL = "partial"  # some text is missing; code and reason say what
    SKIPPED = "skipped"  # rightly not indexed: empty, no text, not a document, a refused kind
    FAILED = "failed"  # should have been readable: damaged, locked, too large, timed out, crashed


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last thing of every extraction. `code` is a stable word of `CODES`; `reason` a sentence with values, `hint` what to do."""

    verdict: Verdict
    code: str | None = None
    reason: str | None = None
    hint: str | None = None
    media_type: str | None = None
    pages: int | None = None
    title: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)  # author, created, permissions ...: JSON values
    warnings: tuple[str, ...] = ()


# Stable codes of outcomes; the reference lists them. Add here, nowhere else.
CODES = (
    "empty_file",
    "lfs_pointer",
    "executable",
    "unknown_type",
    "unsupported_type",
    "no_text",
    "needs_ocr",
    "needs_password",
    "wrong_password",
    "damaged",
    "truncated",
    "too_large",
    "archive_bomb",
    "archive_too_deep",
    "archive_too_many",
    "unsafe_member",
    "image_too_large",
    "entity_refused",
    "timeout",
    "memory_limit",
    "output_limit",
    "crashed",
    "encrypted_body",
    "nesting_limit",
    "pages_failed",
    "unreadable",
    "gone",
    "link_outside",
    "not_a_file",
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one document. `depth` is how many containers it already lies in; the budgets are those left of the whole tree."""

    timeout_s: float = 120
    memory_bytes: int = 1024**3
    max_chars: int = 50_000_000
    ocr: bool = True
    ocr_languages: str = "eng"
    ocr_max_pages: int = 20
    ocr_page_timeout_s: float = 60
    depth: int = 0
    max_depth: int = 3
    members_left: int = 10_000
    member_bytes_left: int = 400 * 1024**2


class Extractor(Protocol):
    """Reads documents in child processes. Any number of calls at once; each holds one child while it runs."""

    version: str  # changes when the same bytes may give another text

    def extract(
        self, path: Path, *, name: str, limits: Limits, scratch: Path, password: str | None = None
    ) -> AsyncIterator[Part | Member | Outcome]:
        """Yields parts and members as they are read, then exactly one `Outcome`, also after a crash, hang or limit.

        `name` is the original file name: a tie-break for text kinds, never trusted. `path` is only read. Parts that came
        before a crash are kept and the verdict is PARTIAL. No text at all is never OK. Closing the iterator early ends the child's work.
        """
        ...

    async def start(self) -> None:
        """Has a child ready before the first document comes. Raises what `extract` would when none can be started."""
        ...

    async def close(self) -> None: ...
