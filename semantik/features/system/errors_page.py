"""Every error code with its status, title and hint: the page that a problem's `type` points to."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass

from semantik.kit.errors import SemantikError

_HEAD = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Semantik error codes</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/docs/assets/docs.css"></head>'
    "<body><main><h1>Error codes</h1><p>Each error answer is <code>application/problem+json</code> (RFC 9457) and names one of these in "
    '<code>code</code>. <a href="/docs">The API</a></p>'
)


@dataclass(frozen=True, slots=True)
class ErrorCode:
    code: str
    status: int
    title: str
    hint: str | None
    meaning: str


def known() -> list[ErrorCode]:
    """Every code of the errors whose modules are loaded, by code; of several classes with one code the first wins."""
    found: dict[str, ErrorCode] = {}
    for error in sorted(_family(SemantikError), key=lambda one: (one.__module__, one.__qualname__)):
        if not error.__name__.startswith("_"):
            meaning = " ".join((error.__doc__ or "").split()) if error.__dict__.get("__doc__") else ""
            found.setdefault(error.code, ErrorCode(error.code, error.status, error.title, error.default_hint, meaning))
    return [found[code] for code in sorted(found)]


def render() -> str:
    rows = "".join(
        f'<section id="{html.escape(one.code)}"><h2><code>{html.escape(one.code)}</code> <small>{one.status}</small></h2>'
        f"<p>{html.escape(one.title)}. {html.escape(one.meaning)}</p>"
        + (f"<p>{html.escape(one.hint)}</p>" if one.hint else "")
        + "</section>"
        for one in known()
    )
    return f"{_HEAD}{rows}</main></body></html>"


def _family(root: type[SemantikError]) -> Iterator[type[SemantikError]]:
    yield root
    for child in root.__subclasses__():
        yield from _family(child)
