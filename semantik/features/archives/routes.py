"""A collection as a file over HTTP: streamed out, and taken in by a job."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import StreamingResponse

from semantik.auth.access import CollectionUnknown
from semantik.features.archives import bundle, exporting, service
from semantik.features.archives.schemas import ImportAccepted
from semantik.http.dependencies import CurrentRuntime, Reader, ReadSession, Writer, WriteSession
from semantik.http.idempotency import KEYED
from semantik.http.streaming import Streamed
from semantik.http.unit_of_work import UnitOfWork

router = APIRouter(prefix="/api/v1", tags=["collections"], route_class=UnitOfWork)


@router.get(
    "/collections/{collection_id}/export",
    summary="Download a collection as one file",
    operation_id="export_collection",
    response_class=StreamingResponse,
)
async def export_collection(collection_id: str, actor: Reader, runtime: CurrentRuntime, session: ReadSession) -> StreamingResponse:
    """Originals, chunks, vectors and settings, of one moment. It is written while it is read: one that breaks off is refused later."""
    found = await exporting.described(session, actor, collection_id)
    if found is None:
        raise CollectionUnknown(f"there is no collection {collection_id}")
    pieces = await exporting.export(runtime, actor, found)
    name = re.sub(r"[^\w .()-]", "_", found["name"])[:100].strip(". ") or "collection"
    return Streamed(
        pieces,
        media_type="application/x-tar",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name + bundle.ENDING)}",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        },
    )


@router.post(
    "/collections/import",
    status_code=202,
    summary="Take in a collection from a file",
    operation_id="import_collection",
    dependencies=[KEYED],
)
async def import_collection(
    actor: Writer,
    runtime: CurrentRuntime,
    session: WriteSession,
    file: Annotated[UploadFile, File(description="A bundle that an export wrote.")],
    name: Annotated[str | None, Form(min_length=1, max_length=200, description="Name of the new collection, in place of its own.")] = None,
) -> ImportAccepted:
    """Everything gets new ids, so the same bundle may be taken in again. Nothing is embedded when the model is the same."""
    stored = await service.store(runtime, actor, file.file)
    return ImportAccepted(job_id=(await service.take_in(session, actor, stored, name=name)).id)
