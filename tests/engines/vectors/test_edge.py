"""The embedded index under fire: its process is killed, its files are deleted, cut and flipped, and nobody gets a wrong answer."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from semantik.engines.vectors import edge_seal
from semantik.engines.vectors.base import BadVector, IndexDamaged, IndexUnavailable
from semantik.engines.vectors.edge import EdgeStore, IndexOwned
from semantik.testing.vectors import CORPUS, SPACE, ask, point, side, sparse

POINTS = [point(number) for number in range(120)]


@pytest.fixture
async def root(tmp_path: Path) -> Path:
    return tmp_path / "vectors"


@pytest.fixture
async def store(root: Path) -> AsyncIterator[EdgeStore]:
    store = EdgeStore(root)
    await store.ensure(SPACE)
    await store.upsert(SPACE, POINTS)
    await store.flush(SPACE)
    yield store
    await store.close()


def kill(store: EdgeStore) -> None:
    assert store.pid is not None
    os.kill(store.pid, signal.SIGKILL)


async def test_a_killed_process_is_started_again_with_everything_acknowledged(store: EdgeStore) -> None:
    await store.upsert(SPACE, [point(1000)])
    kill(store)
    assert await store.count(SPACE, CORPUS) == 121
    assert (await store.health())["restarts"] == 1
    assert side((await store.query(SPACE, ask(POINTS))).dense).found.ids[0] == POINTS[0].id


async def test_whoever_stops_waiting_for_the_start_leaves_no_process_that_holds_the_folder(root: Path) -> None:
    store = EdgeStore(root)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.002):
                await store.health()
    await store.ensure(SPACE)
    assert (await store.health())["restarts"] == 0
    await store.close()


async def test_calls_under_way_when_the_process_dies_are_repeated(store: EdgeStore) -> None:
    more = [point(number) for number in range(2000, 3500)]
    writing = asyncio.create_task(store.upsert(SPACE, more))
    await asyncio.sleep(0.05)
    kill(store)
    await writing
    assert await store.count(SPACE, CORPUS) == len(POINTS) + len(more)


async def test_a_process_that_cannot_start_is_unavailable_not_empty(store: EdgeStore, root: Path, tmp_path: Path) -> None:
    second = EdgeStore(root)
    with pytest.raises(IndexOwned):
        await second.count(SPACE)
    await second.close()
    assert await store.count(SPACE) == 120


async def test_a_closed_store_refuses(root: Path) -> None:
    closed = EdgeStore(root)
    await closed.close()
    with pytest.raises(IndexUnavailable):
        await closed.count(SPACE)


async def test_a_closed_index_opens_whole(store: EdgeStore, root: Path) -> None:
    before = await store.query(SPACE, ask(POINTS, limit=30))
    await store.close()
    assert (root / SPACE.key / edge_seal.SEAL).exists()
    again = EdgeStore(root)
    after = await again.query(SPACE, ask(POINTS, limit=30))
    await again.close()
    assert side(after.dense).found.ids == side(before.dense).found.ids
    assert side(after.sparse) == side(before.sparse)


async def test_opening_and_closing_again_and_again_finds_no_damage(store: EdgeStore, root: Path) -> None:
    await store.close()
    for _ in range(4):
        again = EdgeStore(root)
        assert await again.count(SPACE) == 120
        await again.close()
    assert [path.name for path in root.glob("*.damaged-*")] == []


async def test_only_a_closed_index_carries_a_seal(store: EdgeStore, root: Path) -> None:
    await store.close()
    assert (root / SPACE.key / edge_seal.SEAL).exists()
    again = EdgeStore(root)
    assert await again.count(SPACE) == 120
    assert not (root / SPACE.key / edge_seal.SEAL).exists()
    await again.close()
    assert (root / SPACE.key / edge_seal.SEAL).exists()


def files(root: Path) -> list[Path]:
    """The files that hold vectors, terms, payload and ids."""
    found = [path for path in (root / SPACE.key).glob("shard-*/segments/*/**/*") if "payload_index" not in path.parts]
    return sorted(path for path in found if path.name.startswith(("chunk_0", "page_0", "mutable_id_tracker.mappings")))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    used = [at for at, byte in enumerate(content[:200_000]) if byte]
    content[used[len(used) // 2]] ^= 0x40
    path.write_bytes(content)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
async def test_damage_to_a_closed_index_is_noticed_and_set_aside(store: EdgeStore, root: Path, damage: object) -> None:
    await store.close()
    assert callable(damage)
    heard: list[tuple[str, str]] = []
    targets = len(files(root))
    assert targets >= 4
    whole = root.parent / "whole"
    shutil.copytree(root, whole)
    for number in range(targets):
        shutil.rmtree(root)
        shutil.copytree(whole, root)
        damage(files(root)[number])
        again = EdgeStore(root)
        again.on_damage = lambda space, reason: heard.append((space, reason))
        with pytest.raises(IndexDamaged):
            await again.query(SPACE, ask(POINTS))
        with pytest.raises(IndexDamaged):
            await again.query(SPACE, ask(POINTS))
        assert list(root.glob(f"{SPACE.key}.damaged-*"))
        await again.ensure(SPACE)
        await again.upsert(SPACE, POINTS)
        assert await again.count(SPACE) == 120
        await again.close()
    assert len(heard) == targets


async def until_checked(store: EdgeStore) -> None:
    while (await store.health())["checking"]:
        await asyncio.sleep(0.02)


async def count_when_checked(store: EdgeStore) -> int:
    await store.count(SPACE)
    await until_checked(store)
    return await store.count(SPACE)


async def test_damage_after_a_kill_is_noticed(store: EdgeStore, root: Path) -> None:
    kill(store)
    await store.close()
    whole = root.parent / "whole"
    shutil.copytree(root, whole)
    vectors = next(path for path in files(root) if path.name == "chunk_0.mmap")
    content = bytearray(vectors.read_bytes())
    matrix = np.frombuffer(content[: 4 * 8 * 100], np.float32).copy()
    matrix[8 * 50 + 3] *= -1.5
    content[: matrix.nbytes] = matrix.tobytes()
    vectors.write_bytes(content)
    again = EdgeStore(root)
    with pytest.raises(IndexDamaged):
        await count_when_checked(again)
    await again.close()


async def test_an_undamaged_index_is_sound_after_a_kill(store: EdgeStore, root: Path) -> None:
    kill(store)
    assert await store.count(SPACE) == 120
    await until_checked(store)
    assert await store.count(SPACE) == 120


async def test_an_index_of_an_earlier_form_is_set_aside_whoever_asks_first(store: EdgeStore, root: Path) -> None:
    await store.close()
    described = root / SPACE.key / "space.json"
    described.write_text(json.dumps({key: value for key, value in json.loads(described.read_text()).items() if key != "form"}))
    again = EdgeStore(root)
    with pytest.raises(IndexDamaged, match="another form"):
        await again.spaces()
    assert (await again.health())["restarts"] == 0
    await again.ensure(SPACE)
    await again.upsert(SPACE, POINTS)
    assert await again.count(SPACE, CORPUS) == len(POINTS)
    await again.close()
    assert len(list(root.glob(f"{SPACE.key}.damaged-*"))) == 1


async def test_a_sample_follows_deletions_at_once(store: EdgeStore) -> None:
    await store.upsert(SPACE, [point(number) for number in range(200, 700)])
    assert side((await store.query(SPACE, ask(POINTS))).dense).moments.n == 400  # type: ignore[union-attr]  # asserted by the count
    await store.delete(SPACE, [point(number).id for number in range(200, 600)])
    answer = await store.query(SPACE, ask(POINTS))
    for told in (side(answer.dense), side(answer.sparse)):
        assert told.moments is not None
        assert told.moments.n == len(POINTS) + 100


async def test_a_deleted_index_is_missing_not_empty(store: EdgeStore, root: Path) -> None:
    await store.close()
    shutil.rmtree(root / SPACE.key)
    again = EdgeStore(root)
    assert await again.spaces() == []
    with pytest.raises(IndexDamaged):
        await again.query(SPACE, ask(POINTS))
    await again.close()


async def test_files_that_abort_the_engine_abort_only_a_trial(store: EdgeStore, root: Path) -> None:
    kill(store)
    await store.close()
    for mapping in (root / SPACE.key).glob("shard-*/segments/*/*id_tracker.mappings"):
        mapping.write_bytes(os.urandom(mapping.stat().st_size))
    again = EdgeStore(root)
    with pytest.raises(IndexDamaged):
        await count_when_checked(again)
    assert (await again.health())["restarts"] == 0
    await again.close()


async def test_what_a_killed_optimisation_left_is_removed(store: EdgeStore, root: Path) -> None:
    kill(store)
    await store.close()
    left = [root / SPACE.key / "shard-1" / "temp_segments" / "x", root / SPACE.key / "shard-2" / "segments"]
    for folder in left:
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"x" * 1000)
    again = EdgeStore(root)
    assert await again.count(SPACE) == 120
    assert not any(folder.exists() for folder in left)
    await again.close()


async def test_searches_go_before_the_writes_that_wait(store: EdgeStore) -> None:
    writing = [asyncio.create_task(store.upsert(SPACE, [point(number + 5000 * batch) for number in range(1000)])) for batch in range(1, 6)]
    await asyncio.sleep(0.05)
    for _ in range(3):
        await store.query(SPACE, ask(POINTS))
    assert not all(task.done() for task in writing)
    await asyncio.gather(*writing)
    assert await store.count(SPACE) == 5120


async def test_a_query_that_does_not_fit_is_refused_here(store: EdgeStore) -> None:
    query = ask([point(1)])
    wrong = type(query)(CORPUS, query.filters, np.ones(3, np.float32), sparse({}), 5)
    with pytest.raises(BadVector):
        await store.query(SPACE, wrong)


async def test_an_optimised_copy_takes_over_with_what_was_written_meanwhile(store: EdgeStore, root: Path) -> None:
    store.optimize_from = 100
    optimizing = asyncio.create_task(store.optimize(SPACE))
    await asyncio.sleep(0.1)
    await store.upsert(SPACE, [point(number) for number in range(1000, 1040)])
    await store.delete(SPACE, [POINTS[0].id])
    assert await optimizing is True
    assert await store.count(SPACE, CORPUS) == 159
    assert side((await store.query(SPACE, ask([point(1007)]))).dense).found.ids[0] == point(1007).id
    assert [folder.name for folder in (root / SPACE.key).glob("shard-*")] == ["shard-2"]
    await store.close()
    again = EdgeStore(root)
    assert await again.count(SPACE, CORPUS) == 159
    await again.close()


async def test_a_kill_while_optimising_loses_nothing(store: EdgeStore, root: Path) -> None:
    store.optimize_from = 100
    optimizing = asyncio.create_task(store.optimize(SPACE))
    await asyncio.sleep(0.2)
    kill(store)
    await optimizing
    assert await store.count(SPACE, CORPUS) == 120
    await until_checked(store)
    assert len(list((root / SPACE.key).glob("shard-*"))) == 1
