"""`semantik search`: hits with their passage, the matched words marked."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from semantik.entrypoints.cli import client as clients
from semantik.entrypoints.cli import console
from semantik.entrypoints.cli.client import Client
from semantik.entrypoints.cli.lookup import collection_id
from semantik.entrypoints.cli.reading import Cut, cuts

_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_PASSAGE_CHARS = 400
# Shown before the first of them, so that a match stands in its sentence.
_LEAD_CHARS = 80
# Below this the best hit is mostly no answer: docs/guide/search.md.
_HARDLY = 0.1


def search(query: str, *, collections: list[str], wanted: Mapping[str, Any], as_json: bool) -> None:
    """`wanted`: what else the body of a search request holds."""

    async def work(client: Client) -> dict[str, Any]:
        return await find(client, query, collections=collections, wanted=wanted)

    found = clients.run(work)
    if as_json:
        console.emit(found)
    else:
        show(found)


async def find(client: Client, query: str, *, collections: list[str], wanted: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"query": query, **wanted}
    if collections:
        body["collections"] = [await collection_id(client, name) for name in collections]
    found: dict[str, Any] = await client.post("/search", body)
    if not found["hits"] and not collections and (await client.get("/documents", limit=1))["total"] == 0:
        found["notes"] = [*found.get("notes", []), "Nothing is indexed yet. Start with: semantik ingest PATH"]
    return found


def show(found: dict[str, Any]) -> None:
    for number, hit in enumerate(found["hits"], 1):
        document = hit["document"]
        place = [document["path"]]
        if hit["page"] is not None:
            place.append(f"p. {hit['page']}")
        words = {"slide": "slide", "sheet": "sheet", "row_start": "row"}
        place += [f"{word} {hit['position'][key]}" for key, word in words.items() if hit["position"].get(key) is not None]
        if hit["heading_path"]:
            place.append(" › ".join(hit["heading_path"]))
        console.say(f"{number:>2}. {hit['score']:.2f}  {console.printable(' · '.join(place))}")
        console.say(textwrap.indent(_passage(hit), "      "))
        if hit.get("explain"):
            console.say(textwrap.indent(console.printable(_reasons(hit["explain"])), "      "))
        if hit["more_in_document"]:
            console.say(f"      {console.counted(hit['more_in_document'], 'more passage')} in this document")
        console.say()
    if found["hits"] and found.get("explain"):
        console.say(console.printable(f"Why this order: {found['explain']['why']}."))
    if not found["hits"] and not found.get("notes"):
        console.note("Nothing found. Try other words, a lower `--min-score` if you set one, or `--mode dense` to search by meaning alone.")
    best = max((hit["score"] for hit in found["hits"]), default=1)
    if float(f"{best:.2f}") < _HARDLY:
        console.note(f"Probably nothing here answers the question: even the best passage scores only {best:.2f} of 1.")
    for note in found.get("notes", []):
        console.note(note)


def _reasons(explained: Mapping[str, Any]) -> str:
    """One line a side: where it ranked the passage, how close it is, and by how much that stands out."""
    lines = []
    for side, name, measure in (("dense", "meaning", "closeness"), ("sparse", "words", "BM25")):
        found = explained[side]
        if found is None:
            lines.append(f"by {name}: not found")
            continue
        rank = f"rank {found['rank']}" if found["rank"] is not None else "beyond the first passages"
        line = f"by {name}: {rank}, {measure} {found['score']:.2f}, {found['z']:+.1f} deviations from random passages"
        if found.get("terms"):
            line += f"; holds {', '.join(found['terms'])}"
        lines.append(line)
    return "\n".join(lines)


def _passage(hit: dict[str, Any]) -> str:
    """The stretch of the passage that holds most of its matches, marked on a terminal."""
    text = hit["passage"]["text"]
    marks = sorted((mark["start"], mark["end"]) for mark in hit["highlights"])
    first = max((start for start, _ in marks), key=lambda start: (_matched(text, marks, start), -start), default=0)
    begin = max(0, min(first - _LEAD_CHARS, len(text) - _PASSAGE_CHARS))
    end = begin + _PASSAGE_CHARS
    pieces, at = [], begin
    bold, plain = (_BOLD, _PLAIN) if sys.stdout.isatty() else ("", "")
    left_out = cuts(text, hit["document"]["media_type"])
    for start, stop in marks:
        if start < at or stop > end:
            continue
        pieces += [_flat(_read(text, at, start, left_out)), bold, _flat(_read(text, start, stop, left_out)), plain]
        at = stop
    pieces.append(_flat(_read(text, at, end, left_out)))
    return ("… " if begin else "") + "".join(pieces).strip() + (" …" if end < len(text) else "")


def _matched(text: str, marks: list[tuple[int, int]], begin: int) -> int:
    """Characters of different words that are marked in the stretch that would begin with this match."""
    words = {text[start:stop].casefold() for start, stop in marks if begin <= start and stop <= begin + _PASSAGE_CHARS - _LEAD_CHARS}
    return sum(len(word) for word in words)


def _read(text: str, begin: int, end: int, left_out: Sequence[Cut]) -> str:
    """text[begin:end] as a reader sees it. What is cut belongs to the stretch in which it begins."""
    pieces, at = [], begin
    for start, stop, put in left_out:
        if start < end and stop > begin:
            pieces += [text[at : max(at, start)], put if start >= begin else ""]
            at = max(at, stop)
    return "".join(pieces) + text[min(at, end) : end]


def _flat(text: str) -> str:
    return console.printable(text.replace("\n", " "))
