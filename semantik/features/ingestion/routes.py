"""Sync, upload, retry and delete over HTTP: everything that changes documents."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Form, Query, Response, UploadFile

from semantik.auth.access import CollectionUnknown
from semantik.features.ingestion import repository, service, uploads
from semantik.features.ingestion.schemas import (
    DoctorRequest,
    FolderPlanRequest,
    RetryAccepted,
    RetryFailedRequest,
    RetryRequest,
    SyncAccepted,
    SyncPlan,
    SyncRequest,
    Uploaded,
)  # fmt: skip
from semantik.http.dependencies import Admin, CurrentRuntime, Writer, WriteSession
from semantik.http.idempotency import KEYED, KEYED_BY_ADMIN
from semantik.http.unit_of_work import UnitOfWork
from semantik.kit.errors import InvalidInput

router = APIRouter(prefix="/api/v1", tags=["ingestion"], route_class=UnitOfWork)


class NothingToUpload(InvalidInput):
    code = "nothing_to_upload"
    default_hint = "Send at least one file."


@router.post(
    "/sources/{source_id}/sync",
    status_code=202,
    summary="Sync a source, or show what a sync would do",
    operation_id="sync_source",
    responses={200: {"model": SyncPlan, "description": "The plan, where only that was asked for."}},
    dependencies=[KEYED],
)
async def sync_source(
    source_id: str,
    response: Response,
    actor: Writer,
    runtime: CurrentRuntime,
    session: WriteSession,
    wanted: SyncRequest | None = None,
    dry_run: Annotated[bool, Query(description="Return the plan, with an estimate, without doing anything.")] = False,
) -> SyncAccepted | SyncPlan:
    if not dry_run:
        wanted = wanted or SyncRequest()
        job = await service.sync(session, actor, source_id, budget=wanted.budget, max_delete=wanted.max_delete)
        return SyncAccepted(job_id=job.id)
    response.status_code = 200
    return await service.plan(runtime, actor, source_id)


@router.post("/folder-plans", summary="Show what a folder would take, before it is a source", operation_id="plan_folder")
async def plan_folder(wanted: FolderPlanRequest, actor: Writer, runtime: CurrentRuntime) -> SyncPlan:
    """The plan of a first sync, with an estimate. Nothing is made: no collection, no source, no job."""
    return await service.plan_folder(runtime, actor, wanted)


@router.post(
    "/collections/{collection_id}/uploads", status_code=202, summary="Upload files", operation_id="upload_files", dependencies=[KEYED]
)
async def upload_files(
    collection_id: str,
    actor: Writer,
    runtime: CurrentRuntime,
    session: WriteSession,
    files: Annotated[list[UploadFile], File(description="One or many files.")],
    path: Annotated[list[str], Form(description="A path for each file, in the same order; its name when left out.")] = [],  # noqa: B006
) -> Uploaded:
    """Each file has its own fate: one that is refused does not lose the others."""
    if not files:
        raise NothingToUpload("the request holds no file", hint="Send multipart/form-data with the field files.")
    if path and len(path) != len(files):
        raise InvalidInput(f"{len(path)} paths came with {len(files)} files", hint="Send one path for each file, or none.")
    async with runtime.database.read(actor.tenant_id) as reading:
        collection = await repository.collection(reading, actor, collection_id)
    if collection is None:
        raise CollectionUnknown(f"there is no collection {collection_id}")
    stored = [
        await uploads.store(runtime.blobs, actor, file, path=path[index] if path else None, max_bytes=runtime.settings.upload_max_bytes)
        for index, file in enumerate(files)
    ]
    return await uploads.accept(session, actor, collection_id, collection["name"], stored)


@router.post(
    "/documents/{document_id}/retry", status_code=202, summary="Read a document again", operation_id="retry_document", dependencies=[KEYED]
)
async def retry_document(
    document_id: str, actor: Writer, runtime: CurrentRuntime, session: WriteSession, wanted: RetryRequest | None = None
) -> RetryAccepted:
    job = await service.retry(session, actor, runtime.keyring, document_id, wanted.password if wanted else None)
    return RetryAccepted(job_id=job.id, documents=1)


@router.post(
    "/collections/{collection_id}/retry-failed",
    status_code=202,
    summary="Read all failed documents again",
    operation_id="retry_failed",
    dependencies=[KEYED],
)
async def retry_failed(collection_id: str, actor: Writer, session: WriteSession, wanted: RetryFailedRequest | None = None) -> RetryAccepted:
    job, count = await service.retry_failed(session, actor, collection_id, wanted.codes if wanted else [])
    return RetryAccepted(job_id=job.id if job else None, documents=count)


@router.post("/doctor", status_code=202, summary="Compare all that is stored", operation_id="start_doctor", dependencies=[KEYED_BY_ADMIN])
async def start_doctor(wanted: DoctorRequest, actor: Admin, session: WriteSession) -> SyncAccepted:
    """A job compares the tenant's rows, files, vectors and points; what it found is its result. Only with `fix` it changes anything."""
    return SyncAccepted(job_id=(await service.examine(session, actor, fix=wanted.fix, hashes=wanted.hashes)).id)


@router.delete(
    "/documents/{document_id}", status_code=202, summary="Delete an uploaded document", operation_id="delete_document", dependencies=[KEYED]
)
async def delete_document(document_id: str, actor: Writer, session: WriteSession) -> SyncAccepted:
    return SyncAccepted(job_id=(await service.delete_document(session, actor, document_id)).id)
