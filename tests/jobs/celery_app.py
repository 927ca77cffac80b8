"""The worker that the Celery tests start: `celery -A tests.jobs.celery_app worker`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from semantik.engines.events.redis import RedisEvents
from semantik.jobs.worker_celery import Plan, make_worker
from semantik.kit import logs
from semantik.kit.database import open_database
from semantik.kit.settings import Settings
from semantik.runtime import Runtime
from semantik.testing import jobs as contract
from tests.jobs import zygote

HANDLED = (zygote.Five, contract.CountTo)
logs.configure("warning", "console")


async def open_runtime() -> Runtime:
    settings = Settings(data_dir=Path("/nonexistent"), job_lease_ttl_s=int(os.environ["SEMANTIK_TEST_TTL_S"]))
    nothing = cast(Any, None)
    engines = {"keyring": nothing, "blobs": nothing, "vectors": nothing, "extractor": nothing}
    database = open_database(os.environ["SEMANTIK_TEST_DATABASE"], pool_size=4, max_overflow=4)
    return Runtime(settings=settings, database=database, events=RedisEvents(os.environ["SEMANTIK_TEST_EVENTS"]), **engines)


pool = os.environ["SEMANTIK_TEST_POOL"]
app = make_worker(os.environ["SEMANTIK_TEST_BROKER"], open_runtime, Plan(pool=pool, slots=2))
