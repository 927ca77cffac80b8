"""There is one search: HTTP, command line, answers and evaluation all call `search`."""

from __future__ import annotations

import asyncio
import hashlib
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import chain

from semantik.auth.actor import Actor
from semantik.engines.embedding import bm25
from semantik.engines.embedding.language import is_foreign, tongues
from semantik.engines.vectors.base import Answer, IndexDamaged, Space
from semantik.features.search import repository, retrieve
from semantik.features.search.cursor import Place, open_place, seal_place
from semantik.features.search.fuse import fuse
from semantik.features.search.retrieve import Asked
from semantik.features.search.values import Candidate, Grouping, Hit, Mode, Passage, Request, Searchable, SearchResult
from semantik.kit import metrics
from semantik.kit.concurrency import run_cpu
from semantik.kit.errors import InvalidInput
from semantik.runtime import Runtime

MAX_QUERY = 10_000
MAX_LIMIT = 100
# Candidates of a side; when that many come from too few documents to fill a page, the index is asked once more, deeper.
_DEPTH, _DEEPEST = 100, 1_000
# So many characters are marked in about a millisecond: less than what a trip to a thread and back may take.
_SHORT = 20_000


class QueryEmpty(InvalidInput):
    code = "query_empty"
    title = "The query is empty"
    default_hint = "Write a question or a few words."


class QueryTooLong(InvalidInput):
    code = "query_too_long"
    title = "The query is too long"
    default_hint = "Search for a part of it."


class LimitOutOfRange(InvalidInput):
    code = "limit_out_of_range"
    default_hint = "Ask for a number in between, and for the next page by its cursor."


async def search(runtime: Runtime, actor: Actor, request: Request) -> SearchResult:
    """Hits best first, at most `limit`, each with its passage.

    Uses two short read sessions of its own, so that no connection waits while the query is embedded, and hits are read
    from the rows as they are after the index has answered. What may be searched is read while the query is being embedded.
    Raises `QueryEmpty`, `QueryTooLong`, `LimitOutOfRange`, `CollectionUnknown`, `BadCursor`; `IndexUnavailable` or `IndexDamaged`
    rather than answer from one side alone.
    """
    began = time.perf_counter()
    query = _readable(request.query)
    if not 1 <= request.limit <= MAX_LIMIT:
        raise LimitOutOfRange(f"limit is {request.limit}; it must be between 1 and {MAX_LIMIT}")
    place = open_place(request.cursor, _fingerprint(request, query))
    async with Asked(query) as asked:
        if request.mode is not Mode.SPARSE and (opened := runtime.only_encoder()) is not None:
            # In all likelihood the model of what will be searched: its thread works while the statements below run here.
            asked.embed(*opened)
            await asyncio.sleep(0)
        async with runtime.database.lookup(actor.tenant_id) as session:
            found = await repository.searchable(session, actor, request.collections)
            ids = [one.id for one in found]
            languages = await repository.languages(session, actor, ids) if request.mode is not Mode.DENSE else []
        notes: list[str] = []
        foreign = is_foreign(query, languages)
        spaces = await _spaces(runtime, found)
        if request.mode is not Mode.SPARSE:
            for model in {one.model for one in found}:
                asked.embed(model, await runtime.encoder(model))
        await asked.cut(languages, to_show=request.mode is Mode.DENSE)
        if asked.sparse is not None and not len(asked.sparse.indices):
            notes.append("The query holds no letter or digit, so there are no keywords to look for.")
        if any(one.rebuilding for one in found):
            notes.append("The index is being rebuilt from the database; until that is done, hits may be missing.")

        depth = place.depth or (_DEPTH if request.limit <= 30 else _DEEPEST)
        while True:
            answers = await _answers(runtime, actor, request, spaces=spaces, asked=asked, depth=depth)
            async with runtime.database.lookup(actor.tenant_id) as session:
                documents = await repository.documents_of(session, actor, ids, list(_told_of(answers)))
                strangers = set() if foreign else _strangers(query, languages, documents)
                candidates = _fused(answers, asked, foreign=foreign, strangers=strangers)
                ranked, members = _ranked(candidates, documents, request)
                chosen = ranked[place.offset : place.offset + request.limit]
                passages = await repository.passages(session, actor, ids, [candidate.id for candidate in chosen])
            full = len(candidates) >= depth
            if len(chosen) >= request.limit or not full or depth == _DEEPEST:
                break
            depth = _DEEPEST
    names = {one.id: one.name for one in found}
    if sum(len(passage.text) for passage in passages.values()) < _SHORT:
        hits = _hits(chosen, passages, members, names, asked)
    else:
        hits = await run_cpu(_hits, chosen, passages, members, names, asked)
    more = len(ranked) > place.offset + request.limit
    following = Place(place.offset + request.limit, depth) if more else None
    took = time.perf_counter() - began
    metrics.SEARCH_SECONDS.labels(stage="total").observe(took)
    return SearchResult(
        query=query,
        mode=request.mode,
        hits=tuple(hits),
        next_cursor=seal_place(following, _fingerprint(request, query)) if following else None,
        took_ms=round(took * 1000, 2),
        collections=tuple((one.id, one.name) for one in found),
        notes=tuple(notes),
        weights=candidates[0].weights if candidates else None,
    )


def _readable(query: str) -> str:
    """The query with control characters and broken code points as blanks; raises when nothing or too much is left."""
    if len(query) > MAX_QUERY:
        raise QueryTooLong(f"the query has {len(query):,} characters; at most {MAX_QUERY:,} are taken", limit=MAX_QUERY)
    cleaned = "".join(" " if unicodedata.category(character) in ("Cc", "Cs") else character for character in query)
    cleaned = " ".join(cleaned.split())
    # Joiners and marks of direction belong into words, and are nothing by themselves.
    if all(unicodedata.category(character) in ("Cf", "Zs") for character in cleaned):
        raise QueryEmpty("the query holds nothing to search for")
    return cleaned


def _fingerprint(request: Request, query: str) -> str:
    """What a cursor belongs to: the whole request but for its page."""
    parts = (query, request.collections, request.mode, request.filters, request.group_by, request.min_score)
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


async def _spaces(runtime: Runtime, found: Sequence[Searchable]) -> dict[Space, list[Searchable]]:
    """Collections by the space that holds them: those of one model share scores, others are merged by calibrated score."""
    spaces: dict[Space, list[Searchable]] = {}
    for one in found:
        encoder = await runtime.encoder(one.model)
        spaces.setdefault(Space(one.space, encoder.spec.dimensions), []).append(one)
    return spaces


async def _answers(
    runtime: Runtime, actor: Actor, request: Request, *, spaces: Mapping[Space, list[Searchable]], asked: Asked, depth: int
) -> list[Answer]:
    began = time.perf_counter()
    try:
        return await retrieve.answers(runtime.vectors, spaces, asked, tenant=actor.tenant_id, filters=request.filters, limit=depth)
    except IndexDamaged as error:
        if error.data.get("reason") != "missing":
            raise
        # No index yet is no damage while nothing was ever indexed.
        async with runtime.database.lookup(actor.tenant_id) as session:
            filled = {
                space: members
                for space, members in spaces.items()
                if await repository.has_chunks(session, actor, [one.id for one in members])
            }
        if len(filled) == len(spaces):
            raise
        return await _answers(runtime, actor, request, spaces=filled, asked=asked, depth=depth) if filled else []
    finally:
        metrics.SEARCH_SECONDS.labels(stage="index").observe(time.perf_counter() - began)


def _told_of(answers: Sequence[Answer]) -> Iterator[str]:
    """Every chunk that an index has told of."""
    for answer in answers:
        sides = [side for side in (answer.dense, answer.sparse) if side is not None]
        yield from {id for side in sides for ids in (side.found.ids, side.cross) for id in ids}


def _strangers(query: str, languages: Sequence[str | None], chunks: Mapping[str, tuple[str, str | None]]) -> set[str]:
    """Chunks that are surely in another language than the query, where some of what is searched is in its own."""
    spoken = tongues(query) if len(languages) > 1 else ()
    return {id for id, (_, language) in chunks.items() if language is not None and language not in spoken} if spoken else set()


def _fused(answers: Sequence[Answer], asked: Asked, *, foreign: bool, strangers: Set[str]) -> list[Candidate]:
    words = len(set(asked.surfaces.values()))
    fused = list(chain.from_iterable(fuse(answer, words=words, foreign=foreign, strangers=strangers) for answer in answers))
    return sorted(fused, key=lambda candidate: (-candidate.score, -candidate.total, candidate.id))


def _ranked(
    candidates: Sequence[Candidate], documents: Mapping[str, tuple[str, str | None]], request: Request
) -> tuple[list[Candidate], Mapping[str, list[str]]]:
    """Living candidates in order, one for each document unless chunks were asked for; and the chunks found in each document.

    A document counts as much as its best chunk.
    """
    ranked: list[Candidate] = []
    members: dict[str, list[str]] = {}
    for candidate in candidates:
        document, _ = documents.get(candidate.id, (None, None))
        if document is None or (request.min_score is not None and candidate.score < request.min_score):
            continue
        found = members.setdefault(document, [])
        if not found or request.group_by is Grouping.NONE:
            ranked.append(candidate)
        found.append(candidate.id)
    return ranked, members


def _hits(
    chosen: Sequence[Candidate],
    passages: Mapping[str, Passage],
    members: Mapping[str, list[str]],
    names: Mapping[str, str],
    asked: Asked,
) -> list[Hit]:
    hits = []
    marks = bm25.Marks(asked.surfaces)
    for candidate in chosen:
        passage = passages.get(candidate.id)
        if passage is None:
            continue
        spans, terms = marks.of(passage.text, passage.language)
        hits.append(
            Hit(
                passage=passage,
                candidate=candidate,
                collection_name=names[passage.collection_id],
                highlights=tuple(spans),
                terms=tuple(terms),
                more_in_document=len(members[passage.document_id]) - 1,
            )
        )
    return hits
