"""Finds a backend by the name in the settings; imports its module only when it is chosen."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from semantik.kit.errors import Misconfigured


class UnknownBackend(Misconfigured):
    code = "unknown_backend"


def load(engine: str, backends: Mapping[str, str], name: str) -> Any:
    """Returns the object at `backends[name]`, written "package.module:attribute".

    Raises `UnknownBackend` for a name that is not listed, and `Misconfigured` when the backend's
    library is not installed (naming the extra that brings it is the backend module's duty).
    """
    try:
        module_name, _, attribute = backends[name].partition(":")
    except KeyError:
        known = ", ".join(sorted(backends))
        raise UnknownBackend(f"there is no {engine} backend named {name!r}", hint=f"Choose one of: {known}.") from None
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("semantik"):
            raise
        raise Misconfigured(
            f"the {engine} backend {name!r} needs the Python package {error.name!r}, which is not installed",
            hint="Install the matching extra, for example: pip install 'semantik[postgres,redis,worker,qdrant,s3,otel]'.",
        ) from error
    return getattr(module, attribute)
