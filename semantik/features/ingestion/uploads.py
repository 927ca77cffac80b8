"""Files from a browser or the API: streamed into the blob store first, then rows and the job in one transaction."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from semantik.auth.actor import Actor
from semantik.engines.blobs.base import BlobRef, BlobStore
from semantik.features.ingestion import repository
from semantik.features.ingestion.publish import new_document
from semantik.features.ingestion.schemas import Uploaded, UploadedFile
from semantik.features.ingestion.service import enqueue_ingest
from semantik.kit.clock import now
from semantik.kit.database import AsyncSession
from semantik.kit.errors import TooLarge
from semantik.kit.files import Readable, pieces


class File(Protocol):
    """What a multipart parser gives for one file, spooled to disk."""

    @property
    def filename(self) -> str | None: ...

    @property
    def file(self) -> Readable: ...


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that lies in the blob store (`ref`), or the answer why not."""

    path: str
    answer: UploadedFile
    ref: BlobRef | None


async def store(blobs: BlobStore, actor: Actor, file: File, *, path: str | None, max_bytes: int) -> Stored:
    """Streams one file into the blob store. Raises only what concerns all files, such as a full disk."""
    shown = safe_path(path or file.filename or "")
    name = shown.rpartition("/")[2]
    if not shown:
        return Stored(
            "",
            UploadedFile(
                name=file.filename or "", state="rejected", code="no_name", reason="the file has no name", hint="Send a file name with it."
            ),
            None,
        )
    try:
        ref = await blobs.put(actor.tenant_id, pieces(file.file), max_bytes=max_bytes)
    except TooLarge as error:
        return Stored(
            shown,
            UploadedFile(
                name=name, state="rejected", code=error.code, reason=error.detail, hint="Split it, or raise SEMANTIK_UPLOAD_MAX_BYTES."
            ),
            None,
        )
    if ref.size_bytes == 0:
        return Stored(
            shown,
            UploadedFile(
                name=name,
                state="rejected",
                size_bytes=0,
                code="empty_file",
                reason="the file is empty",
                hint="Check the original and upload it again.",
            ),
            None,
        )
    return Stored(shown, UploadedFile(name=name, document_path=shown, state="accepted", size_bytes=ref.size_bytes), ref)


async def accept(session: AsyncSession, actor: Actor, collection_id: str, collection_name: str, stored: Sequence[Stored]) -> Uploaded:
    """Writes a row for each stored file and enqueues the job that reads them. A file at a known path replaces it."""
    last = {one.path: place for place, one in enumerate(stored) if one.ref is not None}
    accepted = [stored[place] for place in last.values()]
    files = [one.answer if one.ref is None or last[one.path] == place else _replaced(one) for place, one in enumerate(stored)]
    if not accepted:
        return Uploaded(source_id=None, job_id=None, files=files)
    source_id = await repository.upload_source(session, actor, collection_id)
    known = await repository.known_at(session, actor, source_id, [one.path for one in accepted])
    rows: list[dict[str, object]] = []
    for one in accepted:
        assert one.ref is not None, "accepted files are stored"
        if one.path in known:
            await repository.replace_upload(session, actor, known[one.path].id, content_hash=one.ref.hash, size_bytes=one.ref.size_bytes)
        else:
            row = new_document(
                tenant_id=actor.tenant_id, collection_id=collection_id, source_id=source_id, path=one.path,
                name=one.path.rpartition("/")[2], state="pending",
                due=one.ref.hash, content_hash=one.ref.hash, size_bytes=one.ref.size_bytes, modified_at=now(),
            )  # fmt: skip
            rows.append(row)
    await repository.add_documents(session, rows)
    job = await enqueue_ingest(
        session, actor, source_id=source_id, collection_id=collection_id, title=f"Ingest uploads into {collection_name}", listing=False
    )
    return Uploaded(source_id=source_id, job_id=job.id, files=files)


def _replaced(one: Stored) -> UploadedFile:
    reason = f"another file of this upload has the path {one.path} too, and the last one stands"
    hint = "Give each file a path of its own."
    return UploadedFile(
        name=one.answer.name, state="rejected", size_bytes=one.answer.size_bytes, code="same_path", reason=reason, hint=hint
    )


def safe_path(given: str) -> str:
    """A relative / separated path without empty steps and control characters; the last 1,000 steps of it at most.

    `..` takes back the step before it, and nothing where there is none: no path leads out.
    """
    text = unicodedata.normalize("NFC", given.replace("\\", "/").encode("utf-8", "replace").decode())
    steps = ("".join(" " if unicodedata.category(char) == "Cc" else char for char in step).strip() for step in text.split("/"))
    kept: list[str] = []
    for step in steps:
        if step == "..":
            del kept[-1:]
        elif step not in ("", "."):
            kept.append(step)
    return "/".join(kept[-1000:])
