"""What the pool does when its processes die, wear out or rest."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path

import pytest

from semantik.engines.extract import pool as pool_module
from semantik.engines.extract import reading, wire
from semantik.engines.extract.base import Heading, Limits, Member, Outcome, Part, Verdict
from semantik.engines.extract.pool import ExtractorPool
from semantik.testing.extract import children, endless, read
from tests.engines.extract import samples


@pytest.fixture
async def own() -> AsyncIterator[ExtractorPool]:
    pool = ExtractorPool(workers=1)
    yield pool
    await pool.close()


def _text(folder: Path, words: str = "some words") -> Path:
    path = folder / "a.txt"
    path.write_text(words, encoding="utf-8")
    return path


async def test_a_child_that_was_started_ahead_reads_the_first_document(own: ExtractorPool, tmp_path: Path) -> None:
    before = set(children())
    await own.start()
    await own.start()
    ready = children(but=before)
    assert len(ready) == 2, "a nursery and one child"
    assert (await read(own, _text(tmp_path), tmp_path)).outcome.verdict is Verdict.OK
    assert children(but=before) == ready


async def test_a_dead_nursery_is_replaced(own: ExtractorPool, tmp_path: Path) -> None:
    before = set(children())
    await read(own, _text(tmp_path), tmp_path)
    nursery = children(but=before)[0]
    os.kill(nursery, signal.SIGKILL)
    # Its workers die with it, by the kernel's hand.
    async with asyncio.timeout(10):
        while children(but=before):
            await asyncio.sleep(0.02)
    assert (await read(own, _text(tmp_path), tmp_path)).outcome.verdict is Verdict.OK


async def test_a_document_that_lost_its_nursery_is_read_by_another(own: ExtractorPool, tmp_path: Path) -> None:
    """The kernel may have killed the nursery for the memory of somebody else; the document is not to blame."""
    before = set(children())
    # Seconds of work, and nothing is given out before the end.
    path = tmp_path / "blank.pdf"
    path.write_bytes(samples.blank_pdf(8000))
    reading_it = asyncio.create_task(read(own, path, tmp_path))
    async with asyncio.timeout(30):
        while len(children(but=before)) < 2:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    os.kill(children(but=before)[0], signal.SIGKILL)
    assert (await reading_it).outcome.code == "no_text"


async def test_a_reader_that_is_cancelled_while_a_worker_starts_harms_no_other(tmp_path: Path) -> None:
    """Neither is an error told to nobody, nor does the nursery go down with the socket that was taken away."""
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
    pool, before = ExtractorPool(workers=4), set(children())
    await read(pool, _text(tmp_path), tmp_path)
    nursery = children(but=before)[0]
    for pause in (0.0, 0.0, 0.001, 0.003, 0.01):
        started = [asyncio.create_task(read(pool, _text(tmp_path), tmp_path)) for _ in range(4)]
        await asyncio.sleep(pause)
        for task in started[:3]:
            task.cancel()
        outcomes = await asyncio.gather(*started, return_exceptions=True)
        assert not isinstance(outcomes[3], BaseException) and outcomes[3].outcome.verdict is Verdict.OK
    assert nursery in children(), "the nursery lives on"
    await pool.close()
    gc.collect()
    await asyncio.sleep(0)
    assert told == [] and not children(but=before)


async def test_closing_leaves_no_process_behind(tmp_path: Path) -> None:
    before = set(children())
    pool = ExtractorPool(workers=2)
    await asyncio.gather(*(read(pool, _text(tmp_path), tmp_path) for _ in range(4)))
    assert children(but=before)
    await pool.close()
    assert not children(but=before)


async def test_workers_are_replaced_after_many_documents(own: ExtractorPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "WORN_DOCUMENTS", 2)
    seen = set()
    for _ in range(6):
        await read(own, _text(tmp_path), tmp_path)
        seen.add(children()[-1])
    assert len(seen) > 2


async def test_a_slow_reader_is_not_timed_out(own: ExtractorPool, tmp_path: Path) -> None:
    """The clock counts what the child takes, not what the pipeline behind it takes."""
    path = endless(tmp_path / "a.txt", megabytes=2)
    outcome = None
    async for found in own.extract(path, name="a.txt", limits=Limits(timeout_s=1.5), scratch=tmp_path):
        await asyncio.sleep(0.2)
        outcome = found
    assert isinstance(outcome, Outcome) and outcome.verdict is Verdict.OK


async def test_children_know_no_secret_and_no_network(own: ExtractorPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMANTIK_SECRET_KEY", "do not tell")
    before = set(children())
    await read(own, _text(tmp_path), tmp_path)
    for pid in children(but=before):
        assert b"do not tell" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert os.getpgid(pid) != os.getpgid(0) or pid == children(but=before)[0]
        assert os.getpriority(os.PRIO_PROCESS, pid) >= min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)


def test_frames_come_back_as_they_were() -> None:
    part = Part("a\nb\n", (Heading(0, 1, "a"),), page=3, sheet="S", rows=((0, 1), (2, 5)), ocr=True)
    header, body = _opened(wire.part(part))
    assert wire.part_of(header, body) == part
    member = Member("a/b.txt", None, 7, ("damaged", "It is damaged.", None))
    assert wire.member_of(_opened(wire.member(member))[0]) == member
    outcome = Outcome(Verdict.PARTIAL, "timeout", "Late.", "Wait.", metadata={"a": [1]}, warnings=("w",))
    assert wire.outcome_of(_opened(wire.outcome(outcome, peak_bytes=5))[0]) == (outcome, 5)


def _opened(frame: bytes) -> tuple[dict[str, object], bytes]:
    _, header, _ = wire.HEAD.unpack(frame[: wire.HEAD.size])
    rest = frame[wire.HEAD.size :]
    return wire.header_of(rest[:header]), rest[header:]


def test_a_worker_serves_one_request_after_the_other(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    limits = Limits(memory_bytes=2**40)
    with ours, theirs:
        for words in ("first", "second"):
            ours.sendall(wire.request(_text(tmp_path, words), "a.txt", limits, tmp_path, None))
            assert reading.read_request(theirs)
            assert words in json.dumps(ours.recv(65536).decode("latin-1"))
        ours.shutdown(socket.SHUT_WR)
        assert not reading.read_request(theirs)
    assert asdict(limits)["memory_bytes"] == 2**40
