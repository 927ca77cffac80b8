"""What a worker is made to be by its settings and its command line."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest

from semantik.entrypoints import server, worker
from semantik.jobs.values import QUEUES
from semantik.kit.concurrency import cpu_count
from semantik.kit.settings import Settings
from semantik.migrations import SchemaOlder
from tests import services
from tests.conftest import administer


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
    assert settings.database_idle_transaction_timeout_s == 30
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


def test_a_worker_started_before_its_database_waits_for_it(postgres_server: services.Postgres, request: pytest.FixtureRequest) -> None:
    template = request.getfixturevalue("_postgres_template")
    name = f"late_{uuid.uuid4().hex[:8]}"
    settings = Settings(database_url=postgres_server.url(name))
    waiting = threading.Thread(target=server.await_schema, args=(settings,), daemon=True)
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive()

    administer(postgres_server, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    waiting.join(20)

    assert not waiting.is_alive()
    administer(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')


def test_a_worker_whose_database_needs_a_migration_does_not_wait(postgres_server: services.Postgres) -> None:
    name = f"empty_{uuid.uuid4().hex[:8]}"
    administer(postgres_server, f'CREATE DATABASE "{name}"')
    with pytest.raises(SchemaOlder):
        server.await_schema(Settings(database_url=postgres_server.url(name)))
    administer(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')
