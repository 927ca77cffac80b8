"""Taking a bundle on: stored first, looked at, then put into the hands of a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from semantik.auth.actor import Actor
from semantik.features.archives import bundle
from semantik.features.archives.job_args import ImportCollection
from semantik.jobs.queue import enqueue
from semantik.jobs.values import Enqueued
from semantik.kit.archive import Archive
from semantik.kit.concurrency import run_cpu
from semantik.kit.database import AsyncSession
from semantik.kit.files import pieces
from semantik.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Stored:
    """A bundle in the store, where a job on any host finds it, and the name in it."""

    hash: str
    name: str


async def store(runtime: Runtime, actor: Actor, file: BinaryIO) -> Stored:
    """Raises `ArchiveDamaged` for what is no bundle at first sight, before anything is stored; `TooLarge` past the limit of uploads."""
    manifest = await run_cpu(lambda: bundle.manifest_of(Archive(file, bundle.NAMES)))
    file.seek(0)
    ref = await runtime.blobs.put(actor.tenant_id, pieces(file), max_bytes=runtime.settings.upload_max_bytes)
    return Stored(ref.hash, manifest.collection.name)


async def take_in(session: AsyncSession, actor: Actor, stored: Stored, *, name: str | None) -> Enqueued:
    return await enqueue(session, ImportCollection(bundle=stored.hash, name=name), actor=actor, title=f"Import {name or stored.name}")
