"""Reads documents in child processes: limits, streaming, and an honest outcome whatever happens to the child."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

from semantik.engines.extract import wire
from semantik.engines.extract.base import Extractor, Limits, Member, Outcome, Part, Verdict
from semantik.engines.extract.flow import MAX_PART
from semantik.engines.extract.nursery import GONE, Nursery, Worker
from semantik.kit import logs, metrics

log = logs.get(__name__)

# ru_maxrss never falls: a worker that once held this much is replaced, and every worker after this many documents.
WORN_BYTES = 400 * 1024**2
WORN_DOCUMENTS = 200
# A reader that says nothing for this long hangs; every format gives something, or ends, far sooner.
IDLE_S = 60.0
# Idle workers cost memory (160 MB after OCR, the two of them 300); the nursery makes new ones in twelve milliseconds.
REST_S = 10.0


class _Lost(Exception):
    """The child is gone or no longer trusted. `code` and `reason` as for an outcome."""

    def __init__(self, code: str, reason: str, hint: str | None = None) -> None:
        super().__init__(code)
        self.code, self.reason, self.hint = code, reason, hint


class ExtractorPool(Extractor):
    """At most `workers` documents at once. Children start with `start` or the first document, and rest when there is nothing to read.

    Belongs to the event loop that first uses it.
    """

    version = "1"

    def __init__(self, *, workers: int) -> None:
        assert workers > 0, "a pool needs a worker"
        self._slots = asyncio.Semaphore(workers)
        self._nursery = Nursery()
        self._idle: list[Worker] = []
        self._endings: set[asyncio.Task[None]] = set()
        self._rest: asyncio.TimerHandle | None = None
        self._closed = False

    async def extract(
        self, path: Path, *, name: str, limits: Limits, scratch: Path, password: str | None = None
    ) -> AsyncIterator[Part | Member | Outcome]:
        async with self._slots:
            assert not self._closed, "the pool is closed"
            outcome: Outcome | None = None
            again = False
            while outcome is None:
                worker = await self._take()
                whole = False
                run = _Run(worker, limits, scratch.absolute())
                try:
                    try:
                        worker.writer.write(wire.request(path.absolute(), name, limits, scratch.absolute(), password))
                        async for found in run.frames():
                            yield found
                        whole = True
                        outcome = run.outcome
                    except _Lost as lost:
                        # A worker that died while it rested tells nothing of this document: another one reads it.
                        # Nor does one whose whole nursery died; that is believed once, and only while nothing was given out.
                        end = await self._nursery.kill(worker.pid) if lost.code == "crashed" else GONE
                        if lost.code == "crashed" and end == GONE and not run.gave and not again:
                            again = True
                        elif lost.code != "crashed" or run.heard or worker.documents == 0:
                            outcome = _explain(run, lost, limits, *end)
                finally:
                    self._give_back(worker, whole)
            yield outcome

    async def start(self) -> None:
        async with self._slots:
            if not self._idle and not self._closed:
                self._give_back(await self._nursery.fork(), True)

    async def close(self) -> None:
        self._closed = True
        if self._rest is not None:
            self._rest.cancel()
        self._retire_idle()
        while self._endings:
            await asyncio.gather(*self._endings)
        await self._nursery.close()

    async def _take(self) -> Worker:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        while self._idle:
            worker = self._idle.pop()
            if not worker.reader.at_eof() and not worker.writer.is_closing():
                return worker
            self._end(worker)
        return await self._nursery.fork()

    def _give_back(self, worker: Worker, whole: bool) -> None:
        if whole and not _worn(worker) and not self._closed:
            self._idle.append(worker)
        else:
            self._end(worker)
        if self._rest is None and not self._closed:
            self._rest = asyncio.get_running_loop().call_later(REST_S, self._retire_idle)

    def _retire_idle(self) -> None:
        self._rest = None
        while self._idle:
            self._end(self._idle.pop())

    def _end(self, worker: Worker) -> None:
        """Kills in a task of the pool, so that a cancelled reader never leaves a child behind."""
        task = asyncio.get_running_loop().create_task(self._kill(worker))
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    async def _kill(self, worker: Worker) -> None:
        worker.writer.close()
        await self._nursery.kill(worker.pid)


class _Run:
    """One document on one worker: reads its frames against the clock and checks what a broken child could get wrong."""

    def __init__(self, worker: Worker, limits: Limits, scratch: Path) -> None:
        self._worker = worker
        self._limits = limits
        self._scratch = scratch
        self._spent = 0.0
        self._page_left: float | None = None
        self._chars = 0
        self.heard = False
        self.gave = False
        self.parts = 0
        self.media_type: str | None = None
        self.trace: object = None
        self.outcome: Outcome | None = None

    async def frames(self) -> AsyncIterator[Part | Member]:
        """Ends after the outcome came; raises `_Lost` when none will."""
        while True:
            kind, header, body = await self._frame()
            self.heard = True
            if kind in (wire.PART, wire.MEMBER):
                self.gave = True
            if kind == wire.PART:
                yield self._checked_part(wire.part_of(header, body))
            elif kind == wire.MEMBER:
                yield self._checked_member(wire.member_of(header))
            elif kind == wire.WORK:
                self._page_left = float(str(header["seconds"])) or None
            elif kind == wire.START:
                self.media_type = str(header["media_type"])
            elif kind == wire.TRACE:
                self.trace = header
            elif kind == wire.OUTCOME:
                self.outcome, self._worker.peak_bytes = wire.outcome_of(header)
                self._worker.documents += 1
                return
            else:
                raise _broken("a frame of an unknown kind")

    async def _frame(self) -> tuple[bytes, dict[str, object], bytes]:
        in_page = self._page_left is not None
        left = self._page_left if self._page_left is not None else self._limits.timeout_s - self._spent
        allowed = left if in_page else min(left, IDLE_S)
        started = time.monotonic()
        try:
            async with asyncio.timeout(allowed):
                kind, header_size, body_size = wire.HEAD.unpack(await self._worker.reader.readexactly(wire.HEAD.size))
                if header_size + body_size > wire.MAX_FRAME:
                    raise _broken("a frame that is too large")
                packed = await self._worker.reader.readexactly(header_size + body_size)
        except TimeoutError:
            raise self._late(in_page, allowed < left) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise _Lost(
                "crashed", "The program that reads this kind of file crashed on it.", "Report the file if it opens elsewhere."
            ) from None
        took = time.monotonic() - started
        if in_page:
            # A page that sends more than one frame keeps its clock.
            self._page_left = max(left - took, 0.001)
        else:
            self._spent += took
        return kind, wire.header_of(packed[:header_size]), packed[header_size:]

    def _late(self, in_page: bool, idle: bool) -> _Lost:
        if in_page:
            return _Lost(
                "timeout",
                f"OCR of one page took longer than {self._limits.ocr_page_timeout_s:g} s and was stopped.",
                "Raise SEMANTIK_OCR_PAGE_TIMEOUT_S, or scan the page at a lower resolution.",
            )
        if idle:
            return _Lost(
                "timeout", f"Reading stood still for {IDLE_S:g} s and was stopped.", "Split the file, or save it in another format."
            )
        return _Lost(
            "timeout",
            f"Reading took longer than {self._limits.timeout_s:g} s and was stopped.",
            "Raise SEMANTIK_EXTRACT_TIMEOUT_S, or split the file.",
        )

    def _checked_part(self, part: Part) -> Part:
        if len(part.text) > MAX_PART or not part.text.endswith("\n") or "\0" in part.text or "\r" in part.text:
            raise _broken("a part against the rules")
        self.parts += 1
        self._chars += len(part.text)
        if self._chars > self._limits.max_chars + 1:
            raise _broken("more text than allowed")
        return part

    def _checked_member(self, member: Member) -> Member:
        if member.path is not None and member.path.parent != self._scratch:
            raise _broken("a member outside of its folder")
        return member


def _explain(run: _Run, lost: _Lost, limits: Limits, status: int, peak_kb: int) -> Outcome:
    """Turns the loss of a child into the document's outcome, by how the child died."""
    code, reason, hint = lost.code, lost.reason, lost.hint
    if code == "crashed":
        died = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        # Native parsers abort when memory is refused them; what they held by then tells it from a plain crash.
        if died in (signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL) and peak_kb * 1024 > limits.memory_bytes // 3:
            code, reason = "memory_limit", f"Reading the file takes more than {limits.memory_bytes // 1024**2:,} MiB of memory."
            hint = "Split the file, or raise SEMANTIK_EXTRACT_MEMORY_BYTES."
        log.warning("extraction child died", signal=died, peak_kb=peak_kb, trace=run.trace)
    if code in ("timeout", "memory_limit"):
        metrics.EXTRACT_CHILD_KILLS.labels(limit=code).inc()
    some = run.parts > 0
    if some:
        reason += f" The {run.parts:,} parts read before that are indexed."
    return Outcome(Verdict.PARTIAL if some else Verdict.FAILED, code, reason, hint, run.media_type)


def _worn(worker: Worker) -> bool:
    return worker.documents >= WORN_DOCUMENTS or worker.peak_bytes > WORN_BYTES


def _broken(what: str) -> _Lost:
    return _Lost(
        "crashed", f"The program that reads this kind of file broke on it: it sent {what}.", "Report the file if it opens elsewhere."
    )
