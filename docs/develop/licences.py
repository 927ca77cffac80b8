"""Writes docs/reference/licences.md: the licence of every package that a running Semantik may import, extras included.

Reads what is installed, so run it where all extras are (`make docs`). `runtime()` also serves the test that keeps GPL and AGPL out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
EXTRAS = ("postgres", "redis", "worker", "qdrant", "flower", "s3")
# LGPL may be linked dynamically; what must not run here is the strong copyleft.
FORBIDDEN = re.compile(r"(?<!L)(?<!Lesser )A?GPL|(?<!Lesser )(?:Affero )?General Public", re.IGNORECASE)
# What the wheels do not say in a field a program can read, with where it is written.
KNOWN: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Package:
    name: str
    version: str
    licence: str
    needed_by: str


def runtime() -> list[Package]:
    """The closure of the project's dependencies on this platform, by name."""
    found: dict[str, Package] = {}
    for extra in ("", *EXTRAS):
        for requirement in _requirements("semantik", extra):
            _collect(requirement, f"extra {extra}" if extra else "core", found)
    return sorted(found.values(), key=lambda package: package.name)


def _collect(requirement: Requirement, origin: str, found: dict[str, Package]) -> None:
    name = canonicalize_name(requirement.name)
    if name in found:
        return
    distribution = metadata.distribution(name)
    found[name] = Package(name, distribution.version, KNOWN.get(name) or _licence(distribution), origin)
    for extra in ("", *sorted(requirement.extras)):
        for child in _requirements(name, extra):
            _collect(child, origin, found)


def _requirements(name: str, extra: str) -> Iterator[Requirement]:
    for text in metadata.distribution(name).requires or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None:
            if not extra:
                yield requirement
        elif marker.evaluate({"extra": extra}) and (not extra or not marker.evaluate({"extra": ""})):
            yield requirement


def _licence(distribution: metadata.Distribution) -> str:
    fields = distribution.metadata
    for expression in fields.get_all("License-Expression") or []:
        return str(expression)
    approved = "License :: OSI Approved :: "
    classifiers = [str(text).rsplit(" :: ", 1)[-1] for text in fields.get_all("Classifier") or [] if str(text).startswith(approved)]
    if classifiers:
        return ", ".join(classifiers)
    first_line = "".join(fields.get_all("License") or []).strip().splitlines()
    return first_line[0] if first_line else "not stated"


def page() -> str:
    rows = [f"| {package.name} | {package.version} | {package.licence} | {package.needed_by} |" for package in runtime()]
    return "\n".join(
        [
            "# Licences of the dependencies",
            "",
            "Every Python package that a running Semantik may import, extras included, as its own metadata states it. Written by",
            "`make docs`; a test keeps GPL and AGPL out. The packages of the web UI are compiled into it: see `web/package.json`.",
            "",
            "| Package | Version | Licence | Needed by |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    (ROOT / "docs" / "reference" / "licences.md").write_text(page(), encoding="utf-8")
