"""What a worker is made to be by its settings and its command line."""

from __future__ import annotations

from typing import Any

import pytest

from semantik.entrypoints import worker
from semantik.jobs.values import QUEUES
from semantik.kit.concurrency import cpu_count
from semantik.kit.settings import Settings


def plan(settings: Settings | None = None, **options: Any) -> Any:
    asked = {"queues": QUEUES, "pool": "prefork", "concurrency": None, "autoscale": None, **options}
    return worker.plan(settings or Settings(), **asked)


def test_a_worker_takes_the_cores_less_one_and_never_more_than_it_may() -> None:
    spare = max(1, cpu_count() - 1)
    assert plan().slots == spare
    assert plan(Settings(worker_concurrency=1)).slots == 1
    assert plan(Settings(worker_concurrency=1000)).slots == spare
    assert plan(concurrency=12, pool="threads").slots == 12
    assert plan(concurrency=12, pool="solo").slots == 1


def test_a_process_of_a_worker_reads_and_embeds_on_one_core_unless_told_otherwise() -> None:
    settings = worker.of_a_process(Settings(embedding_threads=3), plan())
    assert (settings.extract_workers, settings.embedding_threads) == (1, 3)
    assert (settings.database_pool_size, settings.database_max_overflow) == (6, 12)
    assert worker.of_a_process(Settings(database_pool_size=2, database_max_overflow=0), plan()).database_pool_size == 2


def test_a_range_of_children_is_most_and_least() -> None:
    assert plan(autoscale="10,2").autoscale == (10, 2)


@pytest.mark.parametrize(
    "options",
    [
        {"pool": "gevent"}, {"queues": []}, {"queues": ["cpu", "gold"]}, {"concurrency": 0}, {"autoscale": "2,10"}, {"autoscale": "ten"},
        {"autoscale": "10,2", "pool": "threads"},
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_together_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(worker.BadWorker):
        plan(**options)
