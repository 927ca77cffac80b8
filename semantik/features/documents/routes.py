"""Documents over HTTP: lists, detail, text, chunks and the original file. Reading only; ingestion changes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, get_args
from urllib.parse import quote

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from semantik.auth.access import CollectionUnknown, DocumentUnknown
from semantik.features.documents import repository
from semantik.features.documents.schemas import Chunk, Document, DocumentDetail, State, Text
from semantik.http.dependencies import CurrentRuntime, Reader, ReadSession
from semantik.http.pagination import Cursor, Limit, Page, decode_cursor, encode_cursor
from semantik.http.streaming import Streamed
from semantik.http.unit_of_work import UnitOfWork
from semantik.kit.concurrency import run_cpu
from semantik.kit.database import AsyncSession
from semantik.kit.errors import InvalidInput, NotFound

router = APIRouter(prefix="/api/v1", tags=["documents"], route_class=UnitOfWork)

_MAX_TEXT = 200_000


class ChunkUnknown(NotFound):
    code = "chunk_unknown"
    title = "No such chunk"


class NoText(NotFound):
    code = "no_text"
    title = "The document has no text"


class NoOriginal(NotFound):
    code = "no_original"
    title = "The original is not stored"


@router.get("/documents", summary="List documents", operation_id="list_documents")
async def list_documents(
    actor: Reader,
    session: ReadSession,
    collection: Annotated[str | None, Query(max_length=36)] = None,
    source: Annotated[str | None, Query(max_length=36)] = None,
    parent: Annotated[str | None, Query(max_length=36, description="Only documents inside this one.")] = None,
    state: Annotated[str | None, Query(max_length=100, description="One or more states, comma separated.")] = None,
    code: Annotated[str | None, Query(max_length=500, description="One or more codes, comma separated.")] = None,
    media_type: Annotated[str | None, Query(max_length=100)] = None,
    language: Annotated[str | None, Query(max_length=8)] = None,
    q: Annotated[str | None, Query(max_length=200, description="Only paths that contain this.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Document]:
    wanted = repository.Wanted(
        collection_id=collection,
        source_id=source,
        parent_id=parent,
        states=_states(state),
        codes=[one.strip() for one in code.split(",") if one.strip()] if code else [],
        media_type=media_type,
        language=language,
        name_contains=q,
    )
    after = decode_cursor(cursor, str)
    rows = await repository.page(session, actor, wanted, after=after[0] if after else None, limit=limit)
    total = await repository.count(session, actor, wanted) if after is None else None
    shown = [_document(row) for row in rows[:limit]]
    return Page(items=shown, next_cursor=encode_cursor(shown[-1].id) if len(rows) > limit else None, total=total)


@router.get("/collections/{collection_id}/failures", summary="List what could not be read completely", operation_id="list_failures")
async def list_failures(
    collection_id: str, actor: Reader, session: ReadSession, cursor: Cursor = None, limit: Limit = 50
) -> Page[Document]:
    if not await repository.collection_exists(session, actor, collection_id):
        raise CollectionUnknown(f"there is no collection {collection_id}")
    return await list_documents(actor, session, collection=collection_id, state="failed,partial,skipped", cursor=cursor, limit=limit)


@router.get("/documents/{document_id}", summary="Read a document", operation_id="get_document")
async def get_document(document_id: str, actor: Reader, session: ReadSession) -> DocumentDetail:
    row = await _row(session, actor, document_id)
    collection_name, source_name, source_kind, children = await repository.surroundings(session, actor, row)
    return DocumentDetail(
        **_document(row).model_dump(),
        outline=row["outline"] or [],
        collection_name=collection_name,
        source_name=source_name,
        source_kind=source_kind,
        children=children,
    )


@router.get("/documents/{document_id}/text", summary="Read part of a document's text", operation_id="get_document_text")
async def get_document_text(
    document_id: str,
    actor: Reader,
    runtime: CurrentRuntime,
    session: ReadSession,
    start: Annotated[int, Query(ge=0, le=2**53, description="First code point.")] = 0,
    end: Annotated[int | None, Query(ge=0, le=2**53, description=f"At most {_MAX_TEXT:,} after start.")] = None,
) -> Text:
    row = await _row(session, actor, document_id)
    if row["text_hash"] is None:
        raise NoText(f"no text was extracted from {row['name']}", hint=row["hint"])
    last = min(start + _MAX_TEXT if end is None else end, start + _MAX_TEXT)
    async with runtime.blobs.local(actor.tenant_id, row["text_hash"]) as path:
        text = await run_cpu(_slice, str(path), start, last)
    return Text(text=text, start=start, end=start + len(text), total_chars=row["text_chars"])


@router.get("/documents/{document_id}/chunks", summary="List a document's chunks", operation_id="list_chunks")
async def list_chunks(
    document_id: str,
    actor: Reader,
    session: ReadSession,
    around: Annotated[str | None, Query(max_length=36, description="Start a few chunks before this one.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Chunk]:
    row = await _row(session, actor, document_id)
    key = decode_cursor(cursor, int)
    after = key[0] if key else -1
    if around is not None and key is None:
        ordinal = await repository.ordinal_of(session, actor, document_id, around)
        if ordinal is None:
            raise ChunkUnknown(f"the document has no chunk {around}", hint="It may have been read again since; search anew.")
        after = max(-1, ordinal - limit // 2 - 1)
    rows = await repository.chunk_page(session, actor, document_id, after=after, limit=limit)
    items = [Chunk(**{name: one[name] for name in Chunk.model_fields}) for one in rows[:limit]]
    return Page(items=items, next_cursor=encode_cursor(items[-1].ordinal) if len(rows) > limit else None, total=row["chunk_count"])


@router.get(
    "/documents/{document_id}/original",
    summary="Download the original file",
    operation_id="get_original",
    response_class=StreamingResponse,
    responses={206: {"description": "The bytes that Range asked for: one range, `bytes=first-last`; any other gives the whole file."}},
)
async def get_original(
    document_id: str,
    actor: Reader,
    runtime: CurrentRuntime,
    session: ReadSession,
    wanted: Annotated[str | None, Header(alias="Range", max_length=100)] = None,
) -> StreamingResponse:
    row = await _row(session, actor, document_id)
    if row["content_hash"] is None:
        raise NoOriginal(f"the original of {row['name']} is not stored", hint="Sync its source first.")
    size = int(row["size_bytes"])
    start, end = _span(wanted, size)
    part = (start, end) != (0, size)
    pieces = runtime.blobs.read(actor.tenant_id, row["content_hash"], **({"start": start, "end": end} if part else {}))
    # Always an attachment, never rendered: an original may be a page with scripts.
    return Streamed(
        pieces,
        # Before the answer begins: a missing file is a problem, not a download that breaks off.
        first=await anext(pieces, b""),
        status_code=206 if part else 200,
        media_type="application/octet-stream",
        headers={
            "Content-Length": str(end - start),
            "Accept-Ranges": "bytes",
            **({"Content-Range": f"bytes {start}-{end - 1}/{size}"} if part else {}),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(_file_name(row['name']))}",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        },
    )


async def _row(session: AsyncSession, actor: Reader, document_id: str) -> Mapping[str, Any]:
    row = await repository.get(session, actor, document_id)
    if row is None:
        raise DocumentUnknown(f"there is no document {document_id}")
    return row


def _document(row: Mapping[str, Any]) -> Document:
    values = {name: row[name] for name in Document.model_fields if name != "waiting"}
    return Document(**values, waiting=row["due"] is not None)


def _states(text: str | None) -> list[str]:
    states = [part.strip() for part in text.split(",") if part.strip()] if text else []
    known = get_args(State)
    for state in states:
        if state not in known:
            raise InvalidInput(f"there is no document state {state!r}", hint=f"Choose of: {', '.join(known)}.", state=state)
    return states


def _slice(path: str, start: int, end: int) -> str:
    """Code points [start, end) of a UTF-8 file, read in pieces: a long text is never held whole."""
    pieces, at = [], 0
    with open(path, encoding="utf-8", newline="") as file:
        while at < end and (piece := file.read(1 << 20)):
            if at + len(piece) > start:
                pieces.append(piece[max(0, start - at) : end - at])
            at += len(piece)
    return "".join(pieces)


def _span(wanted: str | None, size: int) -> tuple[int, int]:
    """First byte and the one behind the last; the whole without a Range header and for any that is not one plain range (RFC 9110, 14.2)."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted or "")
    if match is None or not any(match.groups()):
        return 0, size
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    return (start, end) if start < end else (0, size)


def _file_name(name: str) -> str:
    """Without control and direction characters, which could disguise what is being saved."""
    return "".join("_" if not char.isprintable() else char for char in name)[-200:]
