"""Finds things by what a person typed: a whole id, the beginning or the end of one, or a name."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semantik.kit.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from semantik.entrypoints.cli.client import Client

# Shorter pieces of an id are typing errors more often than ids.
_LEAST_CHARS = 6
# Of an id in a list: 32 bits, so that no other thing is likely to end so, listed or not.
_SHOWN_CHARS = 8
_CANDIDATES_SHOWN = 8

Row = dict[str, Any]


class AmbiguousId(InvalidInput):
    code = "ambiguous_id"


@dataclass(frozen=True, slots=True)
class _Kind:
    noun: str
    plural: str
    command: str
    name: Callable[[Row], str]
    rows: Callable[[Client], AsyncIterator[Row]]


async def collection_id(client: Client, given: str) -> str:
    """The id of the collection with this name or id. Raises `NotFound` or `AmbiguousId`."""
    if not _whole(given):
        alike = [found async for found in client.every("/collections", q=given)]
        by_name = [row for row in alike if row["name"] == given] or [row for row in alike if row["name"].casefold() == given.casefold()]
        if len(by_name) > 1:
            raise _ambiguous(_COLLECTION, f"named {given!r}", by_name)
        if by_name:
            return str(by_name[0]["id"])
    return await _id_of(client, _COLLECTION, given)


async def source_id(client: Client, given: str) -> str:
    """The id of the source with this name or id. Raises `NotFound` or `AmbiguousId`."""
    return await _by_name_or_id(client, _SOURCE, given)


async def schedule_id(client: Client, given: str) -> str:
    """The id of the schedule with this name or id. Raises `NotFound` or `AmbiguousId`."""
    return await _by_name_or_id(client, _SCHEDULE, given)


async def document_id(client: Client, given: str) -> str:
    return await _id_of(client, _DOCUMENT, given)


async def job_id(client: Client, given: str) -> str:
    return await _id_of(client, _JOB, given)


async def key_id(client: Client, given: str) -> str:
    return await _id_of(client, _KEY, given)


def ends(ids: Sequence[str]) -> dict[str, str]:
    """Each id with its end, as long as it takes to tell them apart: ids of one hour begin alike. What is no UUID stays whole."""
    plain = {one: one.replace("-", "") for one in ids if _whole(one)}
    chars = next(chars for chars in range(_SHOWN_CHARS, 33) if len({one[-chars:] for one in plain.values()}) == len(plain))
    return {one: plain[one][-chars:] if one in plain else one for one in ids}


async def _by_name_or_id(client: Client, kind: _Kind, given: str) -> str:
    if not _whole(given):
        by_name = [row async for row in kind.rows(client) if row["name"] == given]
        if len(by_name) > 1:
            raise _ambiguous(kind, f"named {given!r}", by_name)
        if by_name:
            return str(by_name[0]["id"])
    return await _id_of(client, kind, given)


async def _id_of(client: Client, kind: _Kind, given: str) -> str:
    """A whole id is taken as it is: whether there is such a thing, the server says."""
    if _whole(given):
        return str(uuid.UUID(given))
    piece = given.strip().replace("-", "").lower()
    if len(piece) >= _LEAST_CHARS and re.fullmatch("[0-9a-f]+", piece):
        found = [row async for row in kind.rows(client) if _holds(str(row["id"]), piece)]
        if len(found) > 1:
            raise _ambiguous(kind, f"with an id that begins or ends with {given!r}", found)
        if found:
            return str(found[0]["id"])
    raise NotFound(
        f"there is no {kind.noun} {given!r}",
        hint=f"See: {kind.command}. An id may be cut to {_LEAST_CHARS} or more characters of its beginning or its end.",
    )


def _holds(whole: str, piece: str) -> bool:
    plain = whole.replace("-", "")
    return plain.startswith(piece) or plain.endswith(piece)


def _whole(given: str) -> bool:
    try:
        uuid.UUID(given)
    except ValueError:
        return False
    return True


def _ambiguous(kind: _Kind, how: str, rows: list[Row]) -> AmbiguousId:
    lines = [f"{row['id']}  {kind.name(row)}" for row in rows[:_CANDIDATES_SHOWN]]
    if len(rows) > _CANDIDATES_SHOWN:
        lines.append(f"and {len(rows) - _CANDIDATES_SHOWN:,} more")
    return AmbiguousId(f"there are {len(rows):,} {kind.plural} {how}", hint="\n  ".join(["Which of these?", *lines]))


def hint_for(code: str) -> str | None:
    """The command that lists what a problem of the server did not find."""
    return f"See: {_COMMANDS[code]}" if code in _COMMANDS else None


async def _sources(client: Client) -> AsyncIterator[Row]:
    async for collection in client.every("/collections"):
        async for source in client.every(f"/collections/{collection['id']}/sources"):
            yield source


async def _schedules(client: Client) -> AsyncIterator[Row]:
    for schedule in (await client.get("/schedules"))["items"]:
        yield schedule


_COLLECTION = _Kind(
    "collection", "collections", "semantik collections list", lambda row: row["name"], lambda api: api.every("/collections")
)
_SOURCE = _Kind("source", "sources", "semantik sources list", lambda row: row["name"], _sources)
_DOCUMENT = _Kind("document", "documents", "semantik documents list", lambda row: row["path"], lambda api: api.every("/documents"))
_JOB = _Kind("job", "jobs", "semantik jobs list", lambda row: row["title"], lambda api: api.every("/jobs"))
_KEY = _Kind("API key", "API keys", "semantik keys list", lambda row: row["name"], lambda api: api.every("/api-keys"))
_SCHEDULE = _Kind("schedule", "schedules", "semantik schedules list", lambda row: row["name"], _schedules)

_COMMANDS = {
    "collection_unknown": _COLLECTION.command,
    "source_unknown": _SOURCE.command,
    "document_unknown": _DOCUMENT.command,
    "job_unknown": _JOB.command,
    "key_unknown": _KEY.command,
    "schedule_unknown": _SCHEDULE.command,
}
