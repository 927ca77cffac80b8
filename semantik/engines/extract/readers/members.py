"""Documents inside a document: safe and unique names, budgets of the whole tree, files in the caller's folder."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from semantik.engines.extract.document import ARCHIVES, Document
from semantik.engines.extract.flow import clean
from semantik.engines.extract.guards import MAX_RATIO, RATIO_FLOOR
from semantik.engines.extract.refusal import Refused, failed, partial, plural, size_words
from semantik.engines.extract.sink import Sink
from semantik.engines.extract.sniff import is_archive

MAX_NAME = 800
_LISTED = 1_000
_DRIVE = re.compile(r"^[A-Za-z]:")


class UnsafeName(Exception):
    """The name would leave its folder. `shown` is what is left of it."""

    def __init__(self, shown: str) -> None:
        super().__init__(shown)
        self.shown = shown


class Members:
    """Of one container. Refuses single members by name and goes on; stops at the budgets with one sentence."""

    def __init__(self, document: Document, sink: Sink) -> None:
        self._document = document
        self._sink = sink
        self._words = document.kind.words
        self._names: set[str] = set()
        self._shown: list[str] = []
        self._bytes_left = document.limits.member_bytes_left
        self._left = document.limits.members_left
        self._count = 0
        self.given = 0
        if document.kind.name in ARCHIVES and document.limits.depth >= document.limits.max_depth:
            raise too_deep(document.name, document.limits.max_depth)

    @property
    def bytes_left(self) -> int:
        return self._bytes_left

    def add(self, raw: str, pieces: Iterable[bytes], *, claimed: int = 0, packed: int | None = None) -> None:
        """Writes one member. `claimed` is its size by the container's word, `packed` what it takes up there."""
        name = self._admit(raw, claimed)
        if name is None:
            return
        if claimed > self._bytes_left:
            self._over_budget(name, claimed)
            return
        path = self._document.scratch / f"member-{self._count:06d}"
        size = 0
        try:
            with open(path, "wb") as file:
                for piece in pieces:
                    size += len(piece)
                    if packed is not None and size > RATIO_FLOOR and size > MAX_RATIO * max(packed, 1):
                        raise failed(
                            "archive_bomb",
                            f"It expands from {size_words(packed)} to more than {size_words(size)}; the limit is a ratio of {MAX_RATIO}.",
                        )
                    if size > self._bytes_left:
                        raise self._budget_refusal(size)
                    file.write(piece)
        except Refused as refusal:
            path.unlink(missing_ok=True)
            self._refuse(name, size, refusal)
            return
        self._bytes_left -= size
        self._give(name, path, size)

    def refuse(self, raw: str, size: int, code: str, reason: str, hint: str | None = None) -> None:
        try:
            name = safe_name(raw)
        except UnsafeName as unsafe:
            name = unsafe.shown
        if self._counted():
            self._refuse(self._unique(name), size, failed(code, reason, hint))

    def list_names(self) -> None:
        """The container's own text: what it holds. So an archive is found by the names in it."""
        if not self._shown:
            return
        head = f"{clean(self._document.name)} holds {plural(self.given, 'file')}:\n"
        self._sink.part(head + "".join(f"{name}\n" for name in self._shown))

    def conclude(self) -> None:
        """The archive's outcome: what was refused is its loss; nothing given at all is its failure."""
        self.list_names()
        self._sink.metadata["members"] = self._count
        self._lose("member")

    def lose_attachments(self) -> None:
        """Refused attachments as a loss of the document that holds them."""
        self._lose("attachment")

    def _lose(self, noun: str) -> None:
        refused = self._sink.members_refused
        if not refused:
            return
        name, code, reason, hint = refused[0]
        count = f"{plural(len(refused), noun)} of {self._count:,} {'is' if len(refused) == 1 else 'are'} not indexed"
        self._sink.lose(partial(code, f"{count}{'' if len(refused) == 1 else ', first'}: {name[:100]}: {reason}", hint))

    def _admit(self, raw: str, size: int) -> str | None:
        if not self._counted():
            return None
        try:
            return self._unique(safe_name(raw))
        except UnsafeName as unsafe:
            self._refuse(
                self._unique(unsafe.shown),
                size,
                failed("unsafe_member", "Its name points outside of the archive.", "Pack the archive again with plain relative names."),
            )
            return None

    def _counted(self) -> bool:
        if self._count >= self._left:
            self._sink.lose(
                partial(
                    "archive_too_many",
                    f"The {self._words} holds more than the {self._left:,} members that are read; the rest is left out.",
                    "Split the archive, or raise SEMANTIK_ARCHIVE_MAX_MEMBERS.",
                )
            )
            return False
        self._count += 1
        return True

    @property
    def full(self) -> bool:
        return self._count >= self._left

    def _over_budget(self, name: str, size: int) -> None:
        self._refuse(name, size, self._budget_refusal(size))

    def _budget_refusal(self, size: int) -> Refused:
        return failed(
            "too_large",
            f"It has {size_words(size)}; of the unpacked bytes that are read of one archive {size_words(self._bytes_left)} are left.",
            "Split the archive, or raise SEMANTIK_ARCHIVE_MAX_BYTES.",
        )

    def _give(self, name: str, path: Path, size: int) -> None:
        limits = self._document.limits
        if limits.depth + 1 >= limits.max_depth and is_archive(path, name):
            path.unlink()
            self._refuse(name, size, too_deep(name, limits.max_depth))
            return
        self.given += 1
        if len(self._shown) < _LISTED:
            self._shown.append(name)
        self._sink.member(name, path, size)

    def _refuse(self, name: str, size: int, refusal: Refused) -> None:
        self._sink.refuse_member(name, size, refusal.code, refusal.reason, refusal.hint)

    def _unique(self, name: str) -> str:
        """Two members of one name: the later gets a number, by its order in the container, so it keeps it."""
        stem, dot, suffix = name.rpartition(".")
        if not dot or "/" in suffix:
            stem, dot, suffix = name, "", ""
        candidate, number = name, 1
        while candidate in self._names:
            number += 1
            candidate = f"{stem} ({number}){dot}{suffix}"
        self._names.add(candidate)
        return candidate


def too_deep(name: str, depth: int) -> Refused:
    return failed(
        "archive_too_deep",
        f"{clean(name)[:100]} lies inside {depth:,} archives already; deeper ones are not opened.",
        "Unpack it, or raise SEMANTIK_ARCHIVE_MAX_DEPTH.",
    )


def safe_name(raw: str) -> str:
    """A relative, / separated name without control characters. Raises `UnsafeName` for absolute ones and for ".."."""
    name = clean(raw).replace("\\", "/").replace("\n", " ").replace("\t", " ")
    pieces = [piece.strip() for piece in _DRIVE.sub("", name).split("/")]
    kept = [piece for piece in pieces if piece not in ("", ".", "..")]
    shown = _shortened("/".join(kept) or "unnamed")
    if name.startswith("/") or _DRIVE.match(name) or ".." in pieces:
        raise UnsafeName(shown)
    return shown


def leaf_name(raw: str, default: str) -> str:
    """The name of an attachment, which has no folders."""
    name = clean(raw).replace("\\", "/").rpartition("/")[2].replace("\n", " ").strip()
    return _shortened(name if name not in ("", ".", "..") else default)


def _shortened(name: str) -> str:
    name = unicodedata.normalize("NFC", name)
    if len(os.fsencode(name)) <= MAX_NAME:
        return name
    # What is cut off still tells two names apart.
    digest = hashlib.sha256(name.encode("utf-8")).hexdigest()[:12]
    suffix = Path(name).suffix[:16]
    head = name.encode("utf-8")[: MAX_NAME - 40].decode("utf-8", "ignore")
    return f"{head}~{digest}{suffix}".replace("..", ".")
