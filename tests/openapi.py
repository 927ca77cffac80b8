"""Reads the OpenAPI document as a client does."""

from __future__ import annotations

from typing import Any


def resolved(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """The part, or what it refers to."""
    if "$ref" not in part:
        return part
    found: Any = document
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)
