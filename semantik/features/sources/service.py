"""Making, changing and removing sources; which folders may be read at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from semantik.auth.access import CollectionUnknown, SourceUnknown
from semantik.auth.actor import Actor
from semantik.auth.folders import allowed_path
from semantik.engines.connectors.directory import DEFAULT_EXCLUDE
from semantik.features.ingestion.job_args import IngestSource, RemoveSource
from semantik.features.sources import repository
from semantik.features.sources.schemas import DirectorySettings, NewSource, Source, SourceChange, SourceLedger
from semantik.jobs import budget as budgets
from semantik.jobs.queue import enqueue
from semantik.jobs.values import Enqueued
from semantik.kit.clock import now
from semantik.kit.database import AsyncSession
from semantik.kit.errors import Conflict
from semantik.kit.ids import new_id
from semantik.kit.settings import Settings


class UploadsFixed(Conflict):
    code = "uploads_fixed"
    title = "Uploads have no settings"
    default_hint = "Upload files, or add a source that reads a folder."


async def create(session: AsyncSession, actor: Actor, settings: Settings, collection_id: str, wanted: NewSource) -> str:
    """Returns the new id. Raises `PathNotAllowed` or `PathUnusable` with the reason."""
    await _require_collection(session, actor, collection_id)
    path = allowed_path(wanted.settings.path, settings, owner=actor.via == "local")
    source_id = new_id()
    await repository.insert(
        session,
        {
            "id": source_id,
            "tenant_id": actor.tenant_id,
            "collection_id": collection_id,
            "kind": wanted.kind,
            "name": wanted.name or path.name or str(path),
            "settings": _stored(wanted.settings, path),
            "budget": _budget(wanted.budget),
            "check_every_s": wanted.check_every_s,
            "created_at": now(),
        },
    )
    if wanted.sync:
        await _sync(session, actor, await get_row(session, actor, source_id))
    return source_id


async def change(session: AsyncSession, actor: Actor, settings: Settings, source_id: str, wanted: SourceChange) -> None:
    present = await get_row(session, actor, source_id)
    values: dict[str, Any] = {}
    if wanted.name is not None:
        values["name"] = wanted.name
    if wanted.settings is not None:
        if present["kind"] == "upload":
            raise UploadsFixed("the source of uploads has no settings to change")
        values["settings"] = _stored(wanted.settings, allowed_path(wanted.settings.path, settings, owner=actor.via == "local"))
    if "budget" in wanted.model_fields_set:
        values["budget"] = _budget(wanted.budget)
    if "check_every_s" in wanted.model_fields_set:
        if wanted.check_every_s is not None and present["kind"] == "upload":
            raise UploadsFixed("uploads come by themselves: there is nothing to look for")
        values["check_every_s"] = wanted.check_every_s
    if values:
        await repository.change(session, actor, source_id, values)


async def delete(session: AsyncSession, actor: Actor, source_id: str) -> Enqueued:
    present = await get_row(session, actor, source_id)
    await repository.bury(session, actor, source_id)
    return await enqueue(
        session,
        RemoveSource(source_id=source_id),
        actor=actor,
        title=f"Remove source {present['name']}",
        collection_id=present["collection_id"],
        source_id=source_id,
        priority=3,
        dedup_key=source_id,
        concurrency_key=f"source:{source_id}",
    )


async def listed(session: AsyncSession, actor: Actor, collection_id: str, *, after: str | None, limit: int) -> tuple[list[Source], bool]:
    """A page of a collection's sources, and whether there are more."""
    await _require_collection(session, actor, collection_id)
    rows = await repository.page(session, actor, collection_id, after=after, limit=limit)
    return await shown(session, actor, rows[:limit]), len(rows) > limit


async def get(session: AsyncSession, actor: Actor, source_id: str) -> Source:
    return (await shown(session, actor, [await get_row(session, actor, source_id)]))[0]


async def get_row(session: AsyncSession, actor: Actor, source_id: str) -> Mapping[str, Any]:
    row = await repository.get(session, actor, source_id)
    if row is None:
        raise SourceUnknown(f"there is no source {source_id}")
    return row


async def shown(session: AsyncSession, actor: Actor, rows: Sequence[Mapping[str, Any]]) -> list[Source]:
    states = await repository.states(session, actor, [row["id"] for row in rows])
    return [
        Source(
            **{
                name: row[name]
                for name in (
                    "id",
                    "collection_id",
                    "kind",
                    "name",
                    "settings",
                    "listed",
                    "held_deletions",
                    "synced_at",
                    "last_job_id",
                    "created_at",
                    "budget",
                    "check_every_s",
                    "checked_at",
                    "check_note",
                )
            },
            ledger=_ledger((state, code, count) for owner, state, code, count in states if owner == row["id"]),
        )
        for row in rows
    ]


def _budget(wanted: Mapping[str, float] | None) -> dict[str, float] | None:
    if not wanted:
        return None
    budgets.check(IngestSource, wanted)
    return dict(wanted)


def _stored(wanted: DirectorySettings, path: Path) -> dict[str, Any]:
    return {"path": str(path), "include": wanted.include, "exclude": list(DEFAULT_EXCLUDE) if wanted.exclude is None else wanted.exclude}


async def _sync(session: AsyncSession, actor: Actor, source: Mapping[str, Any]) -> None:
    job = await enqueue(
        session,
        IngestSource(source_id=source["id"]),
        actor=actor,
        title=f"Ingest {source['name']}",
        collection_id=source["collection_id"],
        source_id=source["id"],
        dedup_key=f"{source['id']}:list",
        concurrency_key=f"source:{source['id']}",
        budget=source["budget"],
    )
    await repository.change(session, actor, source["id"], {"last_job_id": job.id})


async def _require_collection(session: AsyncSession, actor: Actor, collection_id: str) -> None:
    if not await repository.collection_exists(session, actor, collection_id):
        raise CollectionUnknown(f"there is no collection {collection_id}")


def _ledger(counts: Iterable[tuple[str, str | None, int]]) -> SourceLedger:
    totals = dict.fromkeys(("indexed", "partial", "skipped", "failed", "pending"), 0)
    reasons: list[dict[str, Any]] = []
    for state, code, count in counts:
        totals[state] += count
        if code is not None and state in ("partial", "skipped", "failed"):
            reasons.append({"state": state, "code": code, "count": count})
    return SourceLedger(
        listed=sum(totals.values()), **totals, reasons=sorted(reasons, key=lambda one: (-one["count"], one["state"], one["code"]))
    )
