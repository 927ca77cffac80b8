"""The port to where documents come from: list what is there, fetch one item."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol

from semantik.kit.errors import InvalidInput, Unavailable


class SourceUnreachable(Unavailable):
    """The source as a whole cannot be read; nothing may be concluded about its items."""

    code = "source_unreachable"
    default_hint = "Make it readable for the user that runs Semantik, then sync again."


class BadSourceSettings(InvalidInput):
    code = "bad_source_settings"


class ItemGone(Exception):
    """The item was listed and is no longer there."""


# Why an item is left out on purpose. Any other problem is a failure: somebody should mend it.
LEFT_OUT = ("link_outside", "not_a_file")


@dataclass(frozen=True, slots=True)
class Item:
    """One document as the source lists it. `path` is its identity within the source: unique, / separated.

    `signature` changes when the content may have changed (size and mtime, an etag); equal signatures mean
    that fetching can be left out. `problem` = (code, reason): listed, but not readable. A folder
    with a problem hides what lies in it: nothing may be concluded about paths below its own.
    """

    path: str
    name: str
    size_bytes: int | None = None
    signature: str | None = None
    modified_at: datetime | None = None
    media_type: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    problem: tuple[str, str] | None = None


class Connector(Protocol):
    """One open source. Made by the backend's `open(settings, credentials)` coroutine; closed by its owner."""

    kind: ClassVar[str]
    settings_schema: ClassVar[Mapping[str, Any]]  # JSON schema of `settings`, for the form

    def list(self, after: str | None = None) -> AsyncIterator[Item]:
        """Items in ascending order of `path` (code points), those after `after` only. Raises `SourceUnreachable`."""
        ...

    def fetch(self, item: Item) -> AsyncIterator[bytes]:
        """The item's bytes in pieces of at most 1 MiB. Raises `ItemGone` or OSError for this item alone."""
        ...

    async def close(self) -> None: ...
