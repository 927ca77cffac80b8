"""A server of several processes, for the modules that take it apart."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests import services
from tests.conftest import administer
from tests.flows import several
from tests.flows.several import Site


@pytest.fixture(scope="module")
def site(postgres_server: services.Postgres, _postgres_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for each module; its processes are started by the tests."""
    name = f"several_{uuid.uuid4().hex[:8]}"
    administer(postgres_server, f'CREATE DATABASE "{name}" TEMPLATE "{_postgres_template}" STRATEGY file_copy')
    with services.redis() as redis, services.qdrant() as qdrant:
        settings = {"SEMANTIK_DATABASE_URL": postgres_server.url(name), "SEMANTIK_REDIS_URL": redis, "SEMANTIK_QDRANT_URL": qdrant}
        with several.site(tmp_path_factory.mktemp("several"), **settings) as opened:
            yield opened
    administer(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')
