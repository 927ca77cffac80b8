"""Collections over HTTP, the chunk preview and the list of models."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from semantik.engines import chunking as chunking_backends
from semantik.engines.chunking.base import ChunkingSettings
from semantik.engines.chunking.check import check as check_chunking
from semantik.engines.weights import catalog
from semantik.features.collections import preview, repository, service
from semantik.features.collections.schemas import (
    Accepted,
    Collection,
    CollectionChange,
    Model,
    Models,
    NewCollection,
    Preview,
    PreviewRequest,
)  # fmt: skip
from semantik.http.dependencies import CurrentRuntime, Reader, ReadSession, Writer, WriteSession
from semantik.http.idempotency import KEYED
from semantik.http.pagination import Cursor, Limit, Page, decode_cursor, encode_cursor
from semantik.http.unit_of_work import UnitOfWork

router = APIRouter(prefix="/api/v1", tags=["collections"], route_class=UnitOfWork)


@router.get("/collections", summary="List collections by name", operation_id="list_collections")
async def list_collections(
    actor: Reader,
    session: ReadSession,
    cursor: Cursor = None,
    limit: Limit = 50,
    q: Annotated[str | None, Query(max_length=200, description="Only names that contain this.")] = None,
) -> Page[Collection]:
    after = decode_cursor(cursor, str, str)
    rows = await repository.page(session, actor, after=after, limit=limit, name_contains=q)
    total = await repository.count(session, actor) if q is None else None
    shown = await service.shown(session, actor, rows)
    last = shown[limit - 1] if len(shown) > limit else None
    return Page(items=shown[:limit], next_cursor=encode_cursor(last.name, last.id) if last else None, total=total)


@router.post("/collections", status_code=201, summary="Create a collection", operation_id="create_collection")
async def create_collection(wanted: NewCollection, actor: Writer, runtime: CurrentRuntime, session: WriteSession) -> Collection:
    model = wanted.embedding_model or runtime.settings.embedding_model
    spec = (await runtime.text_model(model)).spec
    space = await runtime.space(model)
    return await service.create(session, actor, wanted, spec=spec, space=space.key)


@router.get("/collections/{collection_id}", summary="Read a collection with its ledger", operation_id="get_collection")
async def get_collection(collection_id: str, actor: Reader, session: ReadSession) -> Collection:
    return await service.get(session, actor, collection_id)


@router.patch("/collections/{collection_id}", summary="Rename or describe a collection", operation_id="change_collection")
async def change_collection(collection_id: str, wanted: CollectionChange, actor: Writer, session: WriteSession) -> Collection:
    return await service.change(session, actor, collection_id, wanted)


@router.delete(
    "/collections/{collection_id}", status_code=202, summary="Delete a collection", operation_id="delete_collection", dependencies=[KEYED]
)
async def delete_collection(collection_id: str, actor: Writer, session: WriteSession) -> Accepted:
    """The collection is gone from every list and search at once; a job removes its vectors, then its rows."""
    return Accepted(job_id=(await service.delete(session, actor, collection_id)).id)


@router.post("/chunking/preview", summary="Cut a text as a collection would", operation_id="preview_chunking")
async def preview_chunking(wanted: PreviewRequest, actor: Reader, runtime: CurrentRuntime) -> Preview:
    model = await runtime.text_model(wanted.embedding_model or runtime.settings.embedding_model)
    settings = ChunkingSettings(**wanted.chunking.model_dump())
    check_chunking(settings, model.spec)
    return await preview.cut(wanted.text, chunking_backends.open_chunker(settings.strategy), model.tokenizer, settings)


@router.get("/models", summary="List embedding models", operation_id="list_models")
async def list_models(actor: Reader, runtime: CurrentRuntime) -> Models:
    default = runtime.settings.embedding_model
    known = catalog.listing(runtime.settings.data_dir / "models")
    return Models(
        items=[
            Model(
                name=model.name,
                installed=model.installed,
                dimensions=model.dimensions,
                max_tokens=model.max_tokens,
                languages=list(model.languages),
                description=model.description,
                default=model.name == default,
            )
            for model in known
        ]
    )
