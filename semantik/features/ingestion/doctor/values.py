"""What an examination finds: faults of named kinds, a bounded batch of them at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """One word for each way in which the parts can disagree. `docs/guide/backup.md` says what each means and how it is mended."""

    BLOB_MISSING = "blob_missing"
    BLOB_DAMAGED = "blob_damaged"
    BLOB_UNNAMED = "blob_unnamed"
    CHUNK_DEAD = "chunk_dead"
    CHUNK_DAMAGED = "chunk_damaged"
    VECTOR_MISSING = "vector_missing"
    VECTOR_DAMAGED = "vector_damaged"
    VECTOR_UNUSED = "vector_unused"
    POINT_MISSING = "point_missing"
    POINT_UNNAMED = "point_unnamed"
    POINT_DIFFERS = "point_differs"
    COUNT_WRONG = "count_wrong"


@dataclass(frozen=True, slots=True)
class Fault:
    """`subject`: id or hash of what is wrong; `label` says it to people; `facts` are what its mend needs."""

    kind: Kind
    subject: str
    label: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """A step of a look: `after` is where the next one begins, `checked` how many things were compared in this one."""

    after: str
    checked: int
    faults: tuple[Fault, ...] = ()
