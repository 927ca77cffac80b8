"""Answers to requests that named an Idempotency-Key, each written in the transaction of what it tells of."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from semantik.jobs.store.clock import db_time
from semantik.kit.database import AsyncSession, insert_into
from semantik.tables.jobs import idempotency_keys

# After this long a key is free again; long enough for any client that repeats a request it got no answer to.
KEPT_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`request_hash` tells one request from another; `body` is the JSON that was sent, None for an answer without one."""

    request_hash: str
    status: int
    body: str | None


async def earlier(session: AsyncSession, tenant_id: str, key: str) -> Answer | None:
    """What was answered to this key, None when it is new or has expired."""
    row = (
        await session.execute(
            sa.select(idempotency_keys.c.request_hash, idempotency_keys.c.status, idempotency_keys.c.answer).where(
                idempotency_keys.c.tenant_id == tenant_id, idempotency_keys.c.key == key, idempotency_keys.c.created_at >= db_time(-KEPT_S)
            )
        )
    ).first()
    return None if row is None else Answer(row.request_hash, row.status, row.answer)


async def remember(session: AsyncSession, tenant_id: str, key: str, answer: Answer) -> bool:
    """Claims the key for this answer; False when another request holds it. Waits for one that is about to commit."""
    values = {"request_hash": answer.request_hash, "status": answer.status, "answer": answer.body, "created_at": db_time()}
    statement = (
        insert_into(session, idempotency_keys)
        .values(tenant_id=tenant_id, key=key, **values)
        .on_conflict_do_update(index_elements=["tenant_id", "key"], set_=values, where=idempotency_keys.c.created_at < db_time(-KEPT_S))
        .returning(idempotency_keys.c.key)
    )
    return await session.scalar(statement) is not None
