"""Carries out the plan of a sync: documents are added, made due, moved and removed, a few hundred in a step."""

from __future__ import annotations

from typing import Any

from semantik.engines.connectors.base import LEFT_OUT, Connector, Item
from semantik.features.ingestion import listing, repository
from semantik.features.ingestion.plan import held_back
from semantik.features.ingestion.publish import failed_item, new_document
from semantik.features.ingestion.removal import remove
from semantik.features.ingestion.steps import REMOVALS_A_STEP, ROWS_A_STEP, split
from semantik.features.ingestion.values import Target
from semantik.jobs.context import JobContext
from semantik.jobs.failpoints import fp
from semantik.jobs.store import items as job_items


async def carry_out(ctx: JobContext, target: Target, connector: Connector, *, waiting: bool, max_delete: int | None) -> dict[str, Any]:
    """Returns counts. Deletions that look like an accident are left out; how many is `held`."""
    await ctx.progress(message="Listing the source")
    found = await listing.compare(ctx.runtime.database, ctx.actor, target.source_id, connector, interrupted=ctx.interrupted)
    await ctx.check()
    plan = found.plan()
    fp("ingest_listed")
    items = {item.path: item for item in found.new} | {item.path: item for item, _ in found.touched}
    touched = {item.path: before for item, before in found.touched}
    for pairs in split(plan.moved, ROWS_A_STEP):
        async with ctx.step() as session:
            moves = [repository.Move(old, new, items[new].name, items[new].signature) for old, new in pairs]
            await repository.move(session, ctx.actor, target.source_id, moves)
    for paths in split(plan.added, ROWS_A_STEP):
        await ctx.check()
        rows = [_listed_row(ctx, target, items[path]) for path in paths]
        failed = [failed_item(row["id"], row["path"], row["code"], row["reason"]) for row in rows if row["state"] == "failed"]
        skipped = sum(row["state"] == "skipped" for row in rows)
        async with ctx.step(failed=len(failed), skipped=skipped, items=failed) as session:
            await repository.add_documents(session, rows)
    unread = set(plan.modified)
    for batch in split(list(touched), ROWS_A_STEP):
        await ctx.check()
        worse = [(touched[path], _problem(items[path])) for path in batch if items[path].problem is not None and path in unread]
        failed = [failed_item(before.id, before.path, why["code"], why["reason"]) for before, why in worse if why["state"] == "failed"]
        async with ctx.step(failed=len(failed), skipped=len(worse) - len(failed), items=failed) as session:
            for path in batch:
                item, before = items[path], touched[path]
                if item.problem is not None:
                    await repository.finish_document(session, ctx.actor, before.id, _problem(item))
                elif path in unread:
                    await repository.mark_due(
                        session, ctx.actor, before.id, due=item.signature or "?", size_bytes=item.size_bytes, modified_at=item.modified_at
                    )
                else:
                    values = {"signature": item.signature, "due": None, "modified_at": item.modified_at}
                    await repository.finish_document(session, ctx.actor, before.id, values)
            await job_items.take_over(session, tenant_id=ctx.actor.tenant_id, keys=[one.key for one in failed], by_job=ctx.job.id)
    held = held_back(len(plan.deleted), found.known, waiting=waiting, most=max_delete)
    gone = set() if held else set(plan.deleted)
    for ids in split([known.id for known in found.vanished if known.path in gone], REMOVALS_A_STEP):
        await ctx.check()
        await remove(ctx, ids, target.space)
    fp("ingest_planned")
    counts = {
        "added": len(plan.added),
        "modified": len(plan.modified),
        "moved": len(plan.moved),
        "deleted": len(gone),
        "unchanged": plan.unchanged,
    }
    words = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    async with ctx.read() as session:
        due = await repository.due_count(session, ctx.actor, target.source_id)
    # Beyond what this listing found: what an earlier one left unread.
    left = due - len(plan.added) - len(plan.modified)
    rest = f"; {left:,} found before are still to be read" if left > 0 else ""
    await ctx.log(f"Listed {found.count:,} files: {words or 'the source is empty'}{rest}")
    if held:
        await ctx.log(f"Kept {held:,} of {found.known:,} documents that the source no longer lists", level="warning")
    return {"listed": found.count, **counts, "held": held, "known": found.known}


def _listed_row(ctx: JobContext, target: Target, item: Item) -> dict[str, Any]:
    values: dict[str, Any] = {"state": "pending", "due": item.signature or "?"} if item.problem is None else _problem(item)
    return new_document(
        tenant_id=ctx.actor.tenant_id,
        collection_id=target.collection_id,
        source_id=target.source_id,
        path=item.path,
        name=item.name,
        size_bytes=item.size_bytes,
        media_type=item.media_type,
        modified_at=item.modified_at,
        tags=list(item.tags),
        metadata=dict(item.metadata),
        **values,
    )


def _problem(item: Item) -> dict[str, Any]:
    assert item.problem is not None, "only items with a problem come here"
    code, reason = item.problem
    return {
        "state": "skipped" if code in LEFT_OUT else "failed",
        "code": code,
        "reason": reason,
        "due": None,
        "signature": item.signature,
    }
