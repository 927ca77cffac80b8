"""Identifiers: time-ordered UUIDv7 as text, deterministic UUIDv5 for what must come out the same twice."""

from __future__ import annotations

import uuid
from typing import NewType

import uuid_utils

TenantId = NewType("TenantId", str)
UserId = NewType("UserId", str)
CollectionId = NewType("CollectionId", str)
SourceId = NewType("SourceId", str)
DocumentId = NewType("DocumentId", str)
ChunkId = NewType("ChunkId", str)
JobId = NewType("JobId", str)

_NAMESPACE = uuid.UUID("6f2d1c9e-52f1-5c0e-9f0b-5e8a7d1b3c44")


def new_id() -> str:
    """A fresh UUIDv7 in canonical text: sorts by time of creation."""
    return str(uuid_utils.uuid7())


def derived_id(*parts: str | int) -> str:
    """The UUIDv5 of the parts: equal parts give an equal id, on any machine and at any time."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(map(str, parts))))
