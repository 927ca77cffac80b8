"""Many requests at the same moment: each is carried out whole or not at all, for its own tenant, and none waits for ever."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from semantik.auth.actor import Actor
from semantik.entrypoints import api
from semantik.kit.clock import now
from semantik.kit.database import Database, open_database
from semantik.kit.ids import new_id
from semantik.runtime import Runtime
from semantik.tables.accounts import tenants
from semantik.tables.collections import collections, generations
from tests.conftest import client_of
from tests.flows.steps import make_collection

AT_ONCE = 24


async def test_collections_made_at_once_are_all_there_each_with_its_tenant(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient
) -> None:
    names = [f"Papers {number}" for number in range(AT_ONCE // 2)]
    answers = await asyncio.gather(
        *(one.post("/api/v1/collections", json={"name": name}) for name in names for one in (client, other_client))
    )
    assert Counter(answer.status_code for answer in answers) == {201: AT_ONCE}
    for one in (client, other_client):
        shown = (await one.get("/api/v1/collections", params={"limit": 100})).json()["items"]
        assert sorted(collection["name"] for collection in shown) == sorted(names)
        assert {collection["id"] for collection in shown} < {answer.json()["id"] for answer in answers}


async def test_of_those_who_want_the_same_name_at_once_one_gets_it_and_the_others_are_told_so(client: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post("/api/v1/collections", json={"name": "Papers"}) for _ in range(AT_ONCE)))
    told = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
    assert told == {(201, None): 1, (409, "name_taken"): AT_ONCE - 1}
    assert len((await client.get("/api/v1/collections")).json()["items"]) == 1


async def test_of_those_who_rename_to_the_same_name_at_once_one_gets_it(client: httpx2.AsyncClient) -> None:
    made = [await make_collection(client, f"Papers {number}") for number in range(8)]
    answers = await asyncio.gather(*(client.patch(f"/api/v1/collections/{one['id']}", json={"name": "Best"}) for one in made))
    told = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
    assert told == {(200, None): 1, (409, "name_taken"): 7}


async def test_what_is_rolled_back_among_many_commits_leaves_nothing(database: Database, actor: Actor) -> None:
    """Transactions of two rows each; every second one fails after both."""

    async def write(number: int) -> None:
        values = {"id": f"{number:04}", "tenant_id": actor.tenant_id, "created_at": now()}
        async with database.write(actor.tenant_id) as session:
            await session.execute(
                sa.insert(collections).values(
                    **values, name=str(number), embedding_model="hashing", chunking={}, generation=1, updated_at=now()
                )
            )
            await session.execute(
                sa.insert(generations).values(
                    tenant_id=actor.tenant_id, collection_id=values["id"], number=1, space="s", state="live", created_at=now()
                )
            )
            if number % 2:
                raise ZeroDivisionError
            await session.commit()

    ended = await asyncio.gather(*(write(number) for number in range(100)), return_exceptions=True)
    assert [type(one) for one in ended] == [type(None), ZeroDivisionError] * 50
    async with database.read(actor.tenant_id) as session:
        kept = list(await session.scalars(sa.select(collections.c.id).order_by(collections.c.id)))
        behind = list(await session.scalars(sa.select(generations.c.collection_id).order_by(generations.c.collection_id)))
    assert kept == behind == [f"{number:04}" for number in range(0, 100, 2)]


async def test_a_reader_sees_all_of_a_transaction_or_nothing_of_it(database: Database) -> None:
    """Each transaction writes ten rows of one name; a reader that looks all the time never counts a part of them."""
    over = asyncio.Event()

    async def read() -> set[int]:
        seen: set[int] = set()
        while not over.is_set():
            async with database.read() as session:
                counts = sa.select(sa.func.count()).select_from(tenants).group_by(tenants.c.name)
                seen |= set(await session.scalars(counts))
        return seen

    async def write(name: str) -> None:
        async with database.write() as session:
            for _ in range(10):
                await session.execute(sa.insert(tenants).values(id=new_id(), name=name, created_at=now()))
            await session.commit()

    readers = [asyncio.create_task(read()) for _ in range(2)]
    await asyncio.gather(*(write(f"t{number}") for number in range(30)))
    over.set()
    assert set().union(*await asyncio.gather(*readers)) <= {10}


@pytest.fixture
async def crowded(database_url: str, runtime: Runtime) -> AsyncIterator[FastAPI]:
    """The whole app with room for two at a time in the database, and little patience."""
    narrow = open_database(database_url, pool_size=2, max_overflow=0, pool_timeout_s=0.05)
    before, runtime.database = runtime.database, narrow
    yield api.build(runtime)
    runtime.database = before
    await narrow.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_more_requests_than_connections_are_asked_to_come_again_and_nothing_is_lost(crowded: FastAPI, actor: Actor) -> None:
    async with client_of(crowded, actor) as client:
        answers = await asyncio.gather(*(client.post("/api/v1/collections", json={"name": f"Papers {number}"}) for number in range(60)))
        told = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
        assert set(told) == {(201, None), (503, "database_busy")}, told
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers if answer.status_code == 503)
        again = [await client.post("/api/v1/collections", json={"name": f"Afterwards {number}"}) for number in range(3)]
        assert [answer.status_code for answer in again] == [201] * 3
        shown = (await client.get("/api/v1/collections", params={"limit": 100})).json()["items"]
    assert len(shown) == told[201, None] + 3
