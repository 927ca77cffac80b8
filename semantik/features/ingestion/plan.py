"""The diff between what a source lists and what is known of it: pure decisions over paths, signatures and hashes.

Two steps, because hashing is reading. `sort_out` goes by path and signature alone. What it cannot settle is hashed
by the caller: items whose signature changed, and new items as large as something that vanished. `settle` then decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from semantik.engines.connectors.base import Item
from semantik.features.ingestion.values import Plan

# More deletions than this are held back when they are more than half of what is known: a folder of ten may lose six.
_FEW = 20


@dataclass(frozen=True, slots=True)
class Known:
    """What SQL holds of one document that came from the source itself."""

    id: str
    path: str
    signature: str | None
    content_hash: str | None
    size_bytes: int | None
    has_problem: bool = False


@dataclass(frozen=True, slots=True)
class Sorted:
    new: tuple[Item, ...]
    touched: tuple[tuple[Item, Known], ...]
    same: tuple[Known, ...]


def sort_out(items: Iterable[Item], known: Mapping[str, Known]) -> Sorted:
    """Splits one stretch of a listing by what `known` (by path) says. Items with a problem are always looked at again."""
    new, touched, same = [], [], []
    for item in items:
        before = known.get(item.path)
        if before is None:
            new.append(item)
        elif item.problem is None and not before.has_problem and item.signature is not None and item.signature == before.signature:
            same.append(before)
        else:
            touched.append((item, before))
    return Sorted(tuple(new), tuple(touched), tuple(same))


def could_have_moved(new: Iterable[Item], vanished: Iterable[Known]) -> list[Item]:
    """New items worth hashing: as large as something that vanished."""
    sizes = {gone.size_bytes for gone in vanished if gone.content_hash is not None}
    return [item for item in new if item.problem is None and item.size_bytes in sizes]


def settle(
    *,
    new: Iterable[Item],
    touched: Iterable[tuple[Item, Known]],
    same: int,
    vanished: Iterable[Known],
    hashes: Mapping[str, str],
) -> Plan:
    """The plan. `hashes` holds SHA-256 by path of what was hashed; each vanished document is matched at most once."""
    plan = Plan(unchanged=same)
    waiting: dict[str, list[Known]] = {}
    for gone in sorted(vanished, key=lambda known: known.path, reverse=True):
        if gone.content_hash is not None and gone.content_hash in hashes.values():
            waiting.setdefault(gone.content_hash, []).append(gone)
        else:
            plan.deleted.append(gone.path)
    for item in sorted(new, key=lambda listed: listed.path):
        candidates = waiting.get(hashes.get(item.path, ""))
        if candidates:
            plan.moved.append((candidates.pop().path, item.path))
        else:
            plan.added.append(item.path)
    for item, before in touched:
        if item.problem is not None:
            stays = before.has_problem
        else:
            # What comes back is read, with the same bytes too: its document says that it was away.
            stays = not before.has_problem and before.content_hash is not None and hashes.get(item.path) == before.content_hash
        if stays:
            plan.unchanged += 1
        else:
            plan.modified.append(item.path)
    plan.deleted.extend(gone.path for left in waiting.values() for gone in left)
    plan.deleted.sort()
    plan.modified.sort()
    return plan


def held_back(deleted: int, known: int, *, waiting: bool, most: int | None) -> int:
    """How many of the deletions wait until somebody confirms them: all or none.

    A folder that was unmounted, emptied or covered by another disk looks like one whose files were deleted. So none are
    carried out where everything that is `known` would go, or more than `_FEW` and more than half; and none while some are
    `waiting`, for new files must not make the lost ones look few. `most`: what was confirmed, in place of these rules.
    """
    if most is not None:
        return deleted if deleted > most else 0
    return deleted if waiting or deleted == known or (deleted > _FEW and deleted > known / 2) else 0
