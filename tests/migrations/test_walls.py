"""The second wall: a statement that forgot its tenant sees and changes nothing of others (PostgreSQL)."""

from __future__ import annotations

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import APIRouter, FastAPI

from semantik import migrations
from semantik.auth.actor import Actor
from semantik.http.dependencies import Reader, ReadSession, Writer, WriteSession
from semantik.http.unit_of_work import UnitOfWork
from semantik.kit.clock import now
from semantik.kit.database import Database, open_database
from semantik.kit.ids import new_id
from semantik.kit.walls import APP_ROLE
from semantik.migrations.walls import RoleMissing, walled
from semantik.tables.collections import collections
from semantik.tables.jobs import schedules

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def app(app: FastAPI) -> FastAPI:
    """The app with two routes whose author forgot the first wall."""
    router = APIRouter(route_class=UnitOfWork)

    @router.get("/forgetful")
    async def names(actor: Reader, session: ReadSession) -> list[str]:
        return list(await session.scalars(sa.select(collections.c.name)))

    @router.post("/forgetful")
    async def rename(actor: Writer, session: WriteSession) -> int:
        changed = await session.execute(sa.update(collections).values(name="mine").returning(collections.c.id))
        return len(changed.all())

    app.router.routes.insert(0, router.routes[0])
    app.router.routes.insert(0, router.routes[1])
    return app


async def test_a_route_that_forgot_its_filter_sees_and_changes_only_its_tenant(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient
) -> None:
    assert (await client.post("/api/v1/collections", json={"name": "Alpha's"})).status_code == 201
    assert (await other_client.post("/api/v1/collections", json={"name": "Beta's"})).status_code == 201
    assert (await client.get("/forgetful")).json() == ["Alpha's"]
    assert (await other_client.post("/forgetful")).json() == 1
    assert (await client.get("/forgetful")).json() == ["Alpha's"]
    assert (await other_client.get("/forgetful")).json() == ["mine"]


async def test_nobody_writes_a_row_for_another_tenant(database: Database, actor: Actor, other_actor: Actor) -> None:
    foreign = {"id": new_id(), "tenant_id": other_actor.tenant_id, "name": "x", "kind": "k", "params": {}, "created_at": now()}
    with pytest.raises(sa.exc.ProgrammingError, match="row-level security"):
        async with database.write(actor.tenant_id) as session:
            await session.execute(sa.insert(schedules).values(**foreign))


async def test_a_session_that_knows_no_tenant_yet_sees_nothing(database: Database, actor: Actor) -> None:
    async with database.read(lambda: "") as session:
        assert list(await session.scalars(sa.text("SELECT id FROM tenants"))) == []
    async with database.read() as session:
        assert list(await session.scalars(sa.text("SELECT id FROM tenants"))) == [actor.tenant_id]


async def test_every_table_of_tenants_has_the_wall_and_the_role_can_do_no_more(database: Database) -> None:
    me = "(SELECT oid FROM pg_roles WHERE rolname = current_user)"
    async with database.read() as session:
        role = (await session.execute(sa.text(f"SELECT current_user, rolbypassrls, rolsuper FROM pg_roles WHERE oid = {me}"))).one()
        owned = await session.scalar(sa.text(f"SELECT count(*) FROM pg_class WHERE relowner = {me}"))
        walls = set(await session.scalars(sa.text("SELECT relname FROM pg_class WHERE relrowsecurity")))
        with_tenant = sa.text("SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant_id'")
        of_tenants = set(await session.scalars(with_tenant))
    assert tuple(role) == (APP_ROLE, False, False)
    assert owned == 0
    assert walls == set(walled())
    assert of_tenants | {"tenants"} == walls


async def test_a_partition_cannot_be_read_past_the_wall(database: Database) -> None:
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        async with database.read() as session:
            await session.execute(sa.text("SELECT * FROM chunks_00"))


async def test_a_user_who_may_not_make_the_role_is_told_what_an_administrator_runs(database_url: str) -> None:
    server = sa.create_engine(database_url, isolation_level="AUTOCOMMIT")
    owner = f"owner_{new_id()[-12:]}"
    name = f"db_{owner}"
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE ROLE {owner} LOGIN"))
        connection.execute(sa.text(f"CREATE DATABASE {name} OWNER {owner}"))
    url = sa.make_url(database_url).set(username=owner, database=name).render_as_string()
    with pytest.raises(RoleMissing) as caught:
        migrations.upgrade(url)
    assert f"GRANT {APP_ROLE} TO {owner}" in str(caught.value.hint)
    with server.connect() as connection:
        connection.execute(sa.text(f"GRANT {APP_ROLE} TO {owner}"))
    migrations.upgrade(url)
    opened = open_database(url)
    async with opened.read() as session:
        assert await session.scalar(sa.text("SELECT current_user")) == APP_ROLE
    await opened.close()
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        connection.execute(sa.text(f"DROP ROLE {owner}"))
    server.dispose()
