"""Where readers put what they read: checks the port's rules, counts characters, stops at the output limit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from semantik.engines.extract import wire
from semantik.engines.extract.base import Heading, Limits, Member, Part
from semantik.engines.extract.flow import MAX_PART, Flow, pieces
from semantik.engines.extract.refusal import Refused, partial

# A character that shows: neither white space nor one of those that only steer, join or hide (Unicode's default ignorables).
_SEEN = re.compile(
    r"[^\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]"
)


class Sink:
    """Of one document. `send` takes finished frames."""

    def __init__(self, send: Callable[[bytes], None], limits: Limits) -> None:
        self._send = send
        self._limits = limits
        self.media_type: str | None = None
        self.chars = 0
        self.members = 0
        self.members_refused: list[tuple[str, str, str, str | None]] = []
        self.warnings: list[str] = []
        self.metadata: dict[str, Any] = {}
        self.title: str | None = None
        self.pages: int | None = None
        self.losses: list[Refused] = []

    def start(self, media_type: str) -> None:
        """Says what the file is, in case its reader does not live to say it."""
        self._send(wire.frame(wire.START, {"media_type": media_type}))

    def part(
        self,
        text: str,
        headings: Sequence[Heading] = (),
        *,
        page: int | None = None,
        slide: int | None = None,
        sheet: str | None = None,
        rows: tuple[tuple[int, int], ...] = (),
        ocr: bool = False,
    ) -> None:
        """Takes cleaned text. Blank text is left out; text over the limit of a part is cut (give rows in fitting parts)."""
        if not _SEEN.search(text):
            return
        if len(text) >= MAX_PART:
            assert not rows, "rows come in parts that fit"
            for piece, moved in pieces(text, headings):
                self.part(piece, moved, page=page, slide=slide, sheet=sheet, ocr=ocr)
            return
        if not text.endswith("\n"):
            text += "\n"
        left = self._limits.max_chars - self.chars
        over = len(text) > left
        if over:
            text = text[: max(left - 1, 0)]
            if not _SEEN.search(text):
                raise self._over()
            text = text if text.endswith("\n") else text + "\n"
        kept = tuple(heading for heading in headings if heading.offset < len(text))
        inside = tuple(row for row in rows if row[0] < len(text))
        media_type = None if self.chars else self.media_type
        self._send(wire.part(Part(text, kept, page, slide, sheet, inside, ocr, media_type)))
        self.chars += len(text)
        if over:
            raise self._over()

    def _over(self) -> Refused:
        return partial(
            "output_limit",
            f"The document holds more than {self._limits.max_chars:,} characters; the text after that is not indexed.",
            "Raise SEMANTIK_EXTRACT_MAX_CHARS, or split the file.",
        )

    @property
    def full(self) -> bool:
        return self.chars >= self._limits.max_chars

    def flow(self, **place: Any) -> Flow:
        """A writer for streamed text; call its `finish` at the end."""
        return Flow(lambda text, headings: self.part(text, headings, **place))

    def member(self, name: str, path: Path, size_bytes: int) -> None:
        self.members += 1
        self._send(wire.member(Member(name, path, size_bytes)))

    def refuse_member(self, name: str, size_bytes: int, code: str, reason: str, hint: str | None = None) -> None:
        self.members_refused.append((name, code, reason, hint))
        self._send(wire.member(Member(name, None, size_bytes, (code, reason, hint))))

    def ocr_begins(self, seconds: float) -> None:
        """Starts the clock of one OCR page; what OCR takes is not counted to the document's own time."""
        self._send(wire.frame(wire.WORK, {"seconds": seconds}))

    def ocr_ends(self) -> None:
        self._send(wire.frame(wire.WORK, {"seconds": 0}))

    def warn(self, sentence: str) -> None:
        if sentence not in self.warnings and len(self.warnings) < 20:
            self.warnings.append(sentence)

    def lose(self, loss: Refused) -> None:
        """Notes that some text is missing while reading goes on; the first loss becomes the outcome's code."""
        if all(known.code != loss.code for known in self.losses):
            self.losses.append(loss)
