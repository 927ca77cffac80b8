"""Finds things by the name or id a person typed."""

from __future__ import annotations

import uuid

from semantik.entrypoints.cli.client import Client
from semantik.kit.errors import NotFound


async def collection_id(client: Client, name: str) -> str:
    """The id of the collection with this name; an id is taken as it is. Raises `NotFound`."""
    try:
        return str(uuid.UUID(name))
    except ValueError:
        pass
    async for found in client.every("/collections", q=name):
        if found["name"] == name:
            return str(found["id"])
    raise NotFound(f"there is no collection named {name!r}", hint="See: semantik collections list")
