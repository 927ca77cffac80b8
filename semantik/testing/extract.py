"""What every extractor promises: parts within the rules, one outcome at the end, and that no document harms the next.

Bind it by a fixture named `extractor`:

    class TestPool(ExtractorContract): ...
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from semantik.engines.extract.base import CODES, Extractor, Limits, Member, Outcome, Part, Verdict
from semantik.kit.concurrency import closing

MAX_PART = 256 * 1024


@dataclass(slots=True)
class Reading:
    """Everything one extraction gave."""

    outcome: Outcome
    parts: list[Part] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts)


def check(reading: Reading) -> None:
    """The port's rules on one reading."""
    outcome = reading.outcome
    for part in reading.parts:
        assert 0 < len(part.text) <= MAX_PART, "a part has at most 256 Ki code points"
        assert part.text.endswith("\n"), "a part ends with a line break"
        assert "\0" not in part.text and "\r" not in part.text, "no NUL, \\n line ends"
        part.text.encode("utf-8")
        offsets = [heading.offset for heading in part.headings]
        assert offsets == sorted(offsets), "headings ascend"
        assert all(0 <= offset < len(part.text) for offset in offsets), "headings lie inside their part"
        assert all(heading.level >= 1 and heading.title.strip() for heading in part.headings), "headings have a level and a title"
        rows = [offset for offset, _ in part.rows]
        assert rows == sorted(rows) and all(0 <= offset < len(part.text) for offset in rows), "rows lie inside their part"
    for member in reading.members:
        assert (member.path is None) == (member.problem is not None), "a member is either there or refused"
        assert member.name and not member.name.startswith("/") and ".." not in member.name.split("/"), (
            "a member's name is relative and safe"
        )
        assert member.problem is None or member.problem[0] in CODES, "codes are known"
    if outcome.verdict is Verdict.OK:
        assert reading.text.strip(), "no text at all is never OK"
        assert outcome.code is None and outcome.reason is None
    else:
        assert outcome.code in CODES and outcome.reason, "a loss has a code and a sentence"
    if outcome.verdict is Verdict.PARTIAL:
        assert reading.parts, "PARTIAL has some text"
    if outcome.verdict in (Verdict.SKIPPED, Verdict.FAILED):
        assert not reading.parts, "text that came is never thrown away"


async def read(
    extractor: Extractor, path: Path, scratch: Path, *, name: str | None = None, limits: Limits | None = None, password: str | None = None
) -> Reading:
    """Reads one document to its end and checks the rules."""
    reading: Reading | None = None
    parts: list[Part] = []
    members: list[Member] = []
    async for found in extractor.extract(path, name=name or path.name, limits=limits or Limits(), scratch=scratch, password=password):
        assert reading is None, "nothing comes after the outcome"
        if isinstance(found, Part):
            parts.append(found)
        elif isinstance(found, Member):
            members.append(found)
        else:
            reading = Reading(found, parts, members)
    assert reading is not None, "an outcome comes last"
    check(reading)
    return reading


def endless(path: Path, *, megabytes: int = 64) -> Path:
    """A text that takes long enough to read that something can happen meanwhile."""
    line = "A line of an endless text, which says little and says it again.\n" * 1024
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(megabytes * 16):
            file.write(line)
    return path


def children(*, but: Collection[int] = ()) -> list[int]:
    """Live processes below this one, by /proc, the oldest first: numbers begin anew at some time and tell nothing."""
    parents: dict[int, int] = {}
    born: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent, *rest = (entry / "stat").read_text().rpartition(")")[2].split()
            except (OSError, ValueError):
                continue
            if state != "Z":
                parents[int(entry.name)] = int(parent)
                born[int(entry.name)] = int(rest[17])
    below = {os.getpid()}
    for _ in range(5):
        below |= {pid for pid, parent in parents.items() if parent in below}
    return sorted(below - {os.getpid(), *but}, key=lambda pid: (born[pid], pid))


class ExtractorContract:
    """Inherit it and provide the fixture `extractor`."""

    @pytest.fixture
    def extractor(self) -> AsyncIterator[Extractor]:
        raise AssertionError("the binding provides the extractor")

    async def test_gives_parts_and_then_one_outcome(self, extractor: Extractor, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_text("One line.\nAnother, with an ümlaut.", encoding="utf-8")
        reading = await read(extractor, path, tmp_path)
        assert reading.outcome.verdict is Verdict.OK
        assert reading.text == "One line.\nAnother, with an ümlaut.\n"

    async def test_headings_point_at_their_text(self, extractor: Extractor, tmp_path: Path) -> None:
        path = tmp_path / "a.md"
        path.write_text("# First\n\nText.\n\n## Second\n\nMore.\n", encoding="utf-8")
        reading = await read(extractor, path, tmp_path)
        found = [
            (heading.level, heading.title, part.text[heading.offset :].split("\n")[0])
            for part in reading.parts
            for heading in part.headings
        ]
        assert found == [(1, "First", "# First"), (2, "Second", "## Second")]

    @pytest.mark.parametrize("content", [b"", b" \n\t\n ", b"\x00" * 100, b"<html><body><script>x()</script></body></html>"])
    async def test_a_document_without_text_is_never_ok(self, extractor: Extractor, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "a.html"
        path.write_bytes(content)
        reading = await read(extractor, path, tmp_path)
        assert reading.outcome.verdict in (Verdict.SKIPPED, Verdict.FAILED)

    async def test_a_missing_file_is_an_outcome(self, extractor: Extractor, tmp_path: Path) -> None:
        reading = await read(extractor, tmp_path / "nowhere.pdf", tmp_path)
        assert (reading.outcome.verdict, reading.outcome.code) == (Verdict.FAILED, "gone")

    async def test_many_documents_at_once_keep_apart(self, extractor: Extractor, tmp_path: Path) -> None:
        async def one(number: int) -> str:
            path = tmp_path / f"{number}.txt"
            path.write_text(f"document {number}\n" * 500, encoding="utf-8")
            return (await read(extractor, path, tmp_path)).text

        texts = await asyncio.gather(*(one(number) for number in range(20)))
        assert texts == [f"document {number}\n" * 500 for number in range(20)]

    async def test_a_killed_child_becomes_an_outcome_and_the_next_document_is_read(self, extractor: Extractor, tmp_path: Path) -> None:
        path = endless(tmp_path / "long.txt")
        parts, outcome = 0, None
        async for found in extractor.extract(path, name=path.name, limits=Limits(), scratch=tmp_path):
            if isinstance(found, Part):
                parts += 1
                if parts == 1:
                    os.kill(children()[-1], signal.SIGKILL)
            elif isinstance(found, Outcome):
                outcome = found
        assert outcome is not None and (outcome.verdict, outcome.code) == (Verdict.PARTIAL, "crashed")
        await self.test_gives_parts_and_then_one_outcome(extractor, tmp_path)

    async def test_closing_early_frees_the_worker(self, extractor: Extractor, tmp_path: Path) -> None:
        path = endless(tmp_path / "long.txt")
        for _ in range(4):
            async with closing(extractor.extract(path, name=path.name, limits=Limits(), scratch=tmp_path)) as stream:
                async for _found in stream:
                    break
        async with asyncio.timeout(10):
            await self.test_gives_parts_and_then_one_outcome(extractor, tmp_path)

    async def test_a_cancelled_reader_frees_the_worker(self, extractor: Extractor, tmp_path: Path) -> None:
        path = endless(tmp_path / "long.txt")
        task = asyncio.create_task(read(extractor, path, tmp_path))
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(10):
            await self.test_gives_parts_and_then_one_outcome(extractor, tmp_path)

    async def test_the_output_limit_keeps_what_came(self, extractor: Extractor, tmp_path: Path) -> None:
        path = endless(tmp_path / "long.txt", megabytes=4)
        reading = await read(extractor, path, tmp_path, limits=replace(Limits(), max_chars=300_000))
        assert (reading.outcome.verdict, reading.outcome.code) == (Verdict.PARTIAL, "output_limit")
        assert 250_000 < len(reading.text) <= 300_000

    async def test_the_time_limit_keeps_what_came(self, extractor: Extractor, tmp_path: Path) -> None:
        path = endless(tmp_path / "long.txt", megabytes=256)
        started = time.monotonic()
        reading = await read(extractor, path, tmp_path, limits=replace(Limits(), timeout_s=0.2, max_chars=10**9))
        assert (reading.outcome.verdict, reading.outcome.code) == (Verdict.PARTIAL, "timeout")
        assert time.monotonic() - started < 30

    async def test_the_loop_is_never_blocked(self, extractor: Extractor, tmp_path: Path) -> None:
        path = endless(tmp_path / "long.txt", megabytes=16)
        task = asyncio.create_task(read(extractor, path, tmp_path))
        worst = 0.0
        while not task.done():
            started = time.monotonic()
            await asyncio.sleep(0.005)
            worst = max(worst, time.monotonic() - started)
        await task
        assert worst < 1.0, "the loop stood still"
