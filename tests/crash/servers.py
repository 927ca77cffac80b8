"""A PostgreSQL that can crash and a Redis that can lose everything, both back on the port they had."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType

import redis

from tests import services


class Broker:
    """A Redis of its own. `wipe` kills it and starts an empty one."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="semantik-redis-"))
        self._server = services.Redis(self._folder)

    @property
    def url(self) -> str:
        return self._server.url

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def wipe(self, down_s: float = 0.2) -> None:
        self._server.kill()
        time.sleep(down_s)
        self._server.start()

    def close(self) -> None:
        self._server.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


class Cluster:
    """A PostgreSQL that keeps what it acknowledged. `crash` ends it at once (SIGQUIT: no checkpoint) and starts it again."""

    def __enter__(self) -> Cluster:
        self._context = services.postgres(durable=True)
        self.server = self._context.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._context.__exit__(None, None, None)

    def crash(self, down_s: float) -> None:
        self.server.control.crash(down_s)
