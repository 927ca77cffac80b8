"""Errors, identifiers, the registry, threads: the small things that everything stands on."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantik.kit import registry
from semantik.kit.concurrency import LoopDied, Loops, cpu_count, end, lower_thread_priority, run_cpu
from semantik.kit.errors import Misconfigured, RateLimited, SemantikError
from semantik.kit.ids import derived_id, new_id


def test_ids_sort_by_time_and_never_repeat() -> None:
    ids = [new_id() for _ in range(2000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 2000
    assert uuid.UUID(ids[0]).version == 7


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\x1f", exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_a_derived_id_depends_on_its_parts_and_their_borders(parts: list[str]) -> None:
    assert derived_id(*parts) == derived_id(*parts)
    assert uuid.UUID(derived_id(*parts)).version == 5
    assert derived_id(*parts) != derived_id(*parts, "")
    assert derived_id("ab", "c") != derived_id("a", "bc")


def test_errors_carry_their_sentence_hint_and_data() -> None:
    class Odd(SemantikError):
        code = "odd"
        default_hint = "Even it."

    assert (Odd("x").hint, Odd("x", hint="y").hint, Odd("x", number=3).data) == ("Even it.", "y", {"number": 3})
    assert str(Odd("the sentence")) == "the sentence"
    assert RateLimited("slow", retry_after_s=3).retry_after_s == 3


def test_a_backend_is_found_by_name_and_imported_only_then() -> None:
    backends = {"good": "semantik.kit.ids:new_id", "gone": "no_such_package.thing:make", "broken": "semantik.no_such_module:make"}
    assert registry.load("ids", backends, "good") is new_id
    with pytest.raises(registry.UnknownBackend) as unknown:
        registry.load("ids", backends, "other")
    assert "broken, gone, good" in str(unknown.value.hint)
    with pytest.raises(Misconfigured, match="no_such_package"):
        registry.load("ids", backends, "gone")
    with pytest.raises(ModuleNotFoundError):
        registry.load("ids", backends, "broken")


async def test_cpu_work_leaves_the_loop_free() -> None:
    ticks = 0
    working = asyncio.create_task(run_cpu(time.sleep, 0.2))
    while not working.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert ticks > 3
    with pytest.raises(ZeroDivisionError):
        await run_cpu(lambda: 1 // 0)


def test_priority_is_the_threads_own() -> None:
    seen: list[int] = []

    def work() -> None:
        lower_thread_priority()
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [19]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
    assert cpu_count() >= 1


async def test_a_background_loop_that_dies_is_known_and_one_that_is_ended_or_done_is_not_dead() -> None:
    told: list[str] = []
    loops = Loops(on_death=told.append)

    async def die() -> None:
        raise RuntimeError("nobody foresaw this")

    async def go_on() -> None:
        await asyncio.Event().wait()

    async def be_done() -> None: ...

    tasks = [loops.start("dies", die()), loops.start("goes on", go_on()), loops.start("is done", be_done())]
    await asyncio.sleep(0.01)
    await end(*tasks, None)
    assert (told, loops.dead) == (["dies"], ["dies"])
    with pytest.raises(LoopDied, match="dies"):
        loops.check()
