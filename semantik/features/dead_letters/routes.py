"""HTTP of dead letters: what failed for good, across jobs, and one call to try it again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from semantik.features.dead_letters import repository, schemas, service
from semantik.http.dependencies import Reader, ReadSession, Writer, WriteSession
from semantik.http.idempotency import KEYED
from semantik.http.pagination import Cursor, Limit, Page, decode_cursor, encode_cursor
from semantik.http.unit_of_work import UnitOfWork

router = APIRouter(prefix="/api/v1/dead-letters", tags=["dead letters"], route_class=UnitOfWork)

Text = Annotated[str | None, Query(max_length=100)]


class DeadLetterPage(Page[schemas.DeadLetter]):
    failed_jobs: int = Field(description="Jobs among them, under the same kind and collection.")
    failed_items: int = Field(description="Items among them, under the same kind and collection.")
    reasons: list[schemas.DeadReason] = Field(description="The same by reason, most first.")


@router.get("")
async def list_dead_letters(
    actor: Reader,
    session: ReadSession,
    what: schemas.What | None = None,
    kind: Text = None,
    collection: Text = None,
    code: Text = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> DeadLetterPage:
    """Lists failed jobs, and the failed and quarantined items of ended jobs that nothing took over, newest first"""
    before = decode_cursor(cursor, datetime, str, str)
    found = await repository.page(
        session,
        actor,
        what=what,
        kind=kind,
        collection=collection,
        code=code,
        before=before,
        limit=limit + 1,
    )
    reasons = await repository.summary(session, actor, kind=kind, collection=collection)
    last = found[limit - 1] if len(found) > limit else None
    return DeadLetterPage(
        items=[_letter(row) for row in found[:limit]],
        next_cursor=encode_cursor(last.at, last.job_id, last.item_key) if last is not None else None,
        total=sum(row.many for row in reasons if what in (None, row.what) and code in (None, row.error_code)),
        failed_jobs=sum(row.many for row in reasons if row.what == "job"),
        failed_items=sum(row.many for row in reasons if row.what == "item"),
        reasons=[schemas.DeadReason(what=row.what, code=row.error_code, count=row.many) for row in reasons],
    )


@router.post("/retry", status_code=202, dependencies=[KEYED])
async def retry_dead_letters(body: schemas.Retry, actor: Writer, session: WriteSession) -> schemas.Retried:
    """Tries all that the filter finds again: jobs from their cursor, items as new jobs"""
    done = await service.retry(session, actor, what=body.what, kind=body.kind, collection=body.collection, code=body.code)
    return schemas.Retried(
        failed_jobs=done.failed_jobs, failed_items=done.failed_items, job_ids=done.job_ids, refused=done.refused, more=done.more
    )


def _letter(row: Any) -> schemas.DeadLetter:
    return schemas.DeadLetter(
        what=row.what,
        job_id=row.job_id,
        title=row.title,
        kind=row.kind,
        collection_id=row.collection_id,
        key=row.item_key or None,
        label=row.label,
        state=row.state,
        tries=row.tries,
        error_class=row.error_class,
        code=row.error_code,
        message=row.error_message,
        at=row.at,
    )
