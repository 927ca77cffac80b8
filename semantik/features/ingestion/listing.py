"""Compares a source's listing with what is known of it: the plan for a dry run, or the plan carried out."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from semantik.auth.actor import Actor
from semantik.engines.connectors.base import Connector, Item, ItemGone
from semantik.features.ingestion import repository
from semantik.features.ingestion.plan import Known, could_have_moved, settle, sort_out
from semantik.features.ingestion.values import Plan
from semantik.kit.database import Database

_BATCH = 256


@dataclass(slots=True)
class Listing:
    """A complete listing set against SQL. `seen` holds ids only, so a million documents take some 100 MB while it lasts."""

    new: list[Item] = field(default_factory=list)
    touched: list[tuple[Item, Known]] = field(default_factory=list)
    same: int = 0
    count: int = 0
    vanished: list[Known] = field(default_factory=list)
    known: int = 0
    hashes: dict[str, str] = field(default_factory=dict)

    def plan(self) -> Plan:
        return settle(new=self.new, touched=self.touched, same=self.same, vanished=self.vanished, hashes=self.hashes)


async def compare(
    database: Database, actor: Actor, source_id: str, connector: Connector, *, interrupted: asyncio.Event | None = None
) -> Listing:
    """Reads the listing and hashes what paths and signatures cannot settle. Writes nothing.

    What lies below a folder that cannot be read now is left as it is. Raises `SourceUnreachable` when the listing is not
    complete: then nothing may be concluded about what is missing.
    """
    found = Listing()
    seen: set[str] = set()
    async for items in _batches(connector.list()):
        async with database.read(actor.tenant_id) as session:
            known = await repository.known_at(session, actor, source_id, [item.path for item in items])
        seen.update(document.id for document in known.values())
        split = sort_out(items, known)
        found.new.extend(split.new)
        found.touched.extend(split.touched)
        found.same += len(split.same)
        found.count += len(items)
        if interrupted is not None and interrupted.is_set():
            return found
    hidden = tuple(item.path + "/" for item in (*found.new, *(item for item, _ in found.touched)) if item.problem is not None)
    found.known = await _known_count(database, actor, source_id)
    found.vanished = [known for known in await _vanished(database, actor, source_id, seen) if not known.path.startswith(hidden)]
    unsettled = could_have_moved(found.new, found.vanished) + [
        item for item, before in found.touched if before.content_hash and not item.problem
    ]
    for item in unsettled:
        if interrupted is not None and interrupted.is_set():
            return found
        digest = await _hash(connector, item)
        if digest is not None:
            found.hashes[item.path] = digest
    return found


async def differs(database: Database, actor: Actor, source_id: str, connector: Connector, *, held: int, interrupted: asyncio.Event) -> bool:
    """Whether a sync would find something to do, by paths and signatures alone: reads no file and stops at the first difference.

    `held`: how many documents are missing already and wait for a word. Raises `SourceUnreachable`.
    """
    seen = 0
    async for items in _batches(connector.list()):
        async with database.read(actor.tenant_id) as session:
            known = await repository.known_at(session, actor, source_id, [item.path for item in items])
        split = sort_out(items, known)
        # What could not be read before and cannot be read now is nothing new.
        if split.new or any(item.problem is None or not before.has_problem for item, before in split.touched):
            return True
        seen += len(known)
        if interrupted.is_set():
            return False
    return seen + held != await _known_count(database, actor, source_id)


async def _known_count(database: Database, actor: Actor, source_id: str) -> int:
    async with database.read(actor.tenant_id) as session:
        return await repository.listed_count(session, actor, source_id)


async def _vanished(database: Database, actor: Actor, source_id: str, seen: set[str]) -> list[Known]:
    gone: list[Known] = []
    after = ""
    while True:
        async with database.read(actor.tenant_id) as session:
            page = await repository.known_page(session, actor, source_id, after, 2000)
        gone.extend(known for known in page if known.id not in seen)
        if len(page) < 2000:
            return gone
        after = page[-1].id


async def _hash(connector: Connector, item: Item) -> str | None:
    digest = hashlib.sha256()
    try:
        async for piece in connector.fetch(item):
            digest.update(piece)
    except (ItemGone, OSError):
        return None
    return digest.hexdigest()


async def _batches(items: AsyncIterator[Item]) -> AsyncIterator[list[Item]]:
    batch: list[Item] = []
    async for item in items:
        batch.append(item)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
