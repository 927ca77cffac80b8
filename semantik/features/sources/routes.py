"""Sources over HTTP."""

from __future__ import annotations

from fastapi import APIRouter

from semantik.engines.connectors.directory import DirectoryConnector
from semantik.features.sources import service
from semantik.features.sources.schemas import NewSource, Source, SourceAccepted, SourceChange, SourceKind, SourceKinds
from semantik.http.dependencies import CurrentRuntime, Reader, ReadSession, Writer, WriteSession
from semantik.http.idempotency import KEYED
from semantik.http.pagination import Cursor, Limit, Page, decode_cursor, encode_cursor
from semantik.http.unit_of_work import UnitOfWork

router = APIRouter(prefix="/api/v1", tags=["sources"], route_class=UnitOfWork)


@router.get("/source-kinds", summary="List the kinds of sources", operation_id="list_source_kinds")
async def list_source_kinds(actor: Reader) -> SourceKinds:
    schema = dict(DirectoryConnector.settings_schema)
    return SourceKinds(items=[SourceKind(kind=DirectoryConnector.kind, title=str(schema["title"]), settings_schema=schema)])


@router.get("/collections/{collection_id}/sources", summary="List a collection's sources", operation_id="list_sources")
async def list_sources(collection_id: str, actor: Reader, session: ReadSession, cursor: Cursor = None, limit: Limit = 50) -> Page[Source]:
    after = decode_cursor(cursor, str)
    items, more = await service.listed(session, actor, collection_id, after=after[0] if after else None, limit=limit)
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None, total=None)


@router.post(
    "/collections/{collection_id}/sources", status_code=201, summary="Add a source", operation_id="create_source", dependencies=[KEYED]
)
async def create_source(collection_id: str, wanted: NewSource, actor: Writer, runtime: CurrentRuntime, session: WriteSession) -> Source:
    source_id = await service.create(session, actor, runtime.settings, collection_id, wanted)
    return await service.get(session, actor, source_id)


@router.get("/sources/{source_id}", summary="Read a source with its ledger", operation_id="get_source")
async def get_source(source_id: str, actor: Reader, session: ReadSession) -> Source:
    return await service.get(session, actor, source_id)


@router.patch("/sources/{source_id}", summary="Rename a source or change its settings", operation_id="change_source")
async def change_source(source_id: str, wanted: SourceChange, actor: Writer, runtime: CurrentRuntime, session: WriteSession) -> Source:
    await service.change(session, actor, runtime.settings, source_id, wanted)
    return await service.get(session, actor, source_id)


@router.delete(
    "/sources/{source_id}", status_code=202, summary="Remove a source and its documents", operation_id="delete_source", dependencies=[KEYED]
)
async def delete_source(source_id: str, actor: Writer, session: WriteSession) -> SourceAccepted:
    return SourceAccepted(job_id=(await service.delete(session, actor, source_id)).id)
