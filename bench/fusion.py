"""What decision 0005 rests on, anew: `make bench-fusion ARGS="--data DIR"`, where DIR is a folder that `bench.retrieval` has filled.

Reads vectors and passages straight from that folder's database (no server may be needed, one may run), scores every passage
exactly, and hands the product's own `fuse` what the index would have answered. Tables: variants of fusion on every set; several
languages in one collection; the constants chosen without each set, on that set; and the fit of the shown score, with negatives
that a user meets: the same query where its documents were taken out, and in the collections of the other sets, down to 20
passages.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import machine
from bench.retrieval import COLUMNS, JudgedSet, ndcg, read
from semantik.engines import embedding
from semantik.engines.embedding import bm25
from semantik.engines.embedding.language import is_foreign, tongues
from semantik.engines.vectors.base import Answer, Moments, Scored, SideResult
from semantik.engines.vectors.checks import SAMPLE
from semantik.features.search.fuse import CHOSEN, DENSE, HYBRID, SPARSE, Fit, Shape, fuse
from semantik.kit import registry

_DEPTH = 100
_LANGUAGES = ("xquad_ar", "xquad_de", "xquad_en", "xquad_es", "xquad_zh")
_SIZES = (20, 60, 170)
_ROWS = """
select c.id, c.text, c.language, d.path, d.language, e.vector, g.mean_terms, coalesce(c.language, d.language)
from collections k
join generations g on g.collection_id = k.id and g.number = k.generation
join chunks c on c.collection_id = k.id and c.generation = k.generation
join documents d on d.id = c.document_id and d.version = c.version
join embeddings e on e.tenant_id = c.tenant_id and e.text_hash = c.embedding_hash
where k.name = ? order by c.id
"""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The passages of one set in the order of their ids, whose first ones are the sample."""

    judged: JudgedSet
    ids: Sequence[str]
    items: Sequence[str]
    languages: Sequence[str]
    spoken: Sequence[str | None]
    dense: NDArray[np.float32]
    terms: Sequence[tuple[NDArray[np.uint32], NDArray[np.float32]]]
    postings: Mapping[int, tuple[NDArray[np.intp], NDArray[np.float32]]]

    def only(self, rows: Sequence[int]) -> Shelf:
        """A collection of some of the passages."""
        kept = sorted(rows)
        terms = [self.terms[row] for row in kept]
        return Shelf(
            self.judged,
            [self.ids[row] for row in kept],
            [self.items[row] for row in kept],
            self.languages,
            [self.spoken[row] for row in kept],
            self.dense[kept],
            terms,
            _postings(terms),
        )

    def answer(self, query: str, vector: NDArray[np.float32]) -> Answer:
        """What the index answers, exactly."""
        cosines = self.dense @ vector
        sparse, _ = bm25.query_vector(query, self.languages)
        words = np.zeros(len(self.ids), np.float32)
        for term in sparse.indices.tolist():
            if term in self.postings:
                rows, weights = self.postings[term]
                words[rows] += math.log((len(self.ids) - len(rows) + 0.5) / (len(rows) + 0.5) + 1) * weights
        best = {"dense": np.argsort(-cosines, kind="stable")[:_DEPTH], "sparse": np.argsort(-words, kind="stable")[:_DEPTH]}
        best["sparse"] = best["sparse"][words[best["sparse"]] > 0]
        both = set(best["dense"].tolist()) | set(best["sparse"].tolist())
        return Answer(*(self._side(scores, best[name], both) for name, scores in (("dense", cosines), ("sparse", words))))

    def _side(self, scores: NDArray[np.float32], best: NDArray[np.intp], both: set[int]) -> SideResult:
        drawn = scores[:SAMPLE]
        found = Scored(tuple(self.ids[row] for row in best), tuple(scores[best].tolist()))
        cross = {self.ids[row]: float(scores[row]) for row in both.difference(best.tolist())}
        return SideResult(found, Moments(float(drawn.mean()), float(drawn.std()), len(drawn)), cross)


@dataclass(slots=True)
class Asked:
    """A query of a set with what the index of that set answers."""

    shelf: Shelf
    id: str
    vector: NDArray[np.float32]
    answer: Answer = field(init=False)
    foreign: bool = field(init=False)

    def __post_init__(self) -> None:
        self.answer = self.shelf.answer(self.text, self.vector)
        self.foreign = is_foreign(self.text, self.shelf.languages)

    @property
    def text(self) -> str:
        return self.shelf.judged.queries[self.id]


def load(database: sqlite3.Connection, judged: JudgedSet) -> Shelf:
    rows = database.execute(_ROWS, (judged.name,)).fetchall()
    order = list(judged.items)
    vectors = np.stack([np.frombuffer(row[5], "<f2").astype(np.float32) for row in rows])
    terms = [(vector.indices, vector.values) for vector in (bm25.document_vector(row[1], row[2], row[6]) for row in rows)]
    return Shelf(
        judged=judged,
        ids=[row[0] for row in rows],
        items=[order[int(Path(row[3]).stem)] for row in rows],
        languages=sorted({row[4] for row in rows if row[4]}),
        spoken=[row[7] for row in rows],
        dense=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        terms=terms,
        postings=_postings(terms),
    )


def _postings(
    terms: Sequence[tuple[NDArray[np.uint32], NDArray[np.float32]]],
) -> dict[int, tuple[NDArray[np.intp], NDArray[np.float32]]]:
    rows = np.repeat(np.arange(len(terms)), [len(indices) for indices, _ in terms])
    indices = np.concatenate([one for one, _ in terms]) if terms else np.zeros(0, np.uint32)
    values = np.concatenate([one for _, one in terms]) if terms else np.zeros(0, np.float32)
    order = np.argsort(indices, kind="stable")
    keys, starts = np.unique(indices[order], return_index=True)
    ends = [*starts[1:].tolist(), len(order)]
    return {
        key: (rows[order[start:end]], values[order[start:end]])
        for key, start, end in zip(keys.tolist(), starts.tolist(), ends, strict=True)
    }


def gain(asked: Asked, ranked: Sequence[str]) -> float:
    """nDCG@10 of a list of passages, each document counting where its first one stands."""
    item = dict(zip(asked.shelf.ids, asked.shelf.items, strict=True))
    return ndcg(list(dict.fromkeys(item[id] for id in ranked)), asked.shelf.judged.relevant[asked.id])


def fused(shape: Shape) -> Callable[[Asked], list[str]]:
    return lambda asked: [one.id for one in fuse(asked.answer, foreign=asked.foreign, shape=shape)]


def _alone(side: str) -> Callable[[Asked], list[str]]:
    def ranked(asked: Asked) -> list[str]:
        found: SideResult = getattr(asked.answer, side)
        return list(found.found.ids)

    return ranked


def _by_rank(asked: Asked) -> list[str]:
    """Reciprocal rank fusion, k 60."""
    scores: dict[str, float] = defaultdict(float)
    for side in (asked.answer.dense, asked.answer.sparse):
        for rank, id in enumerate(side.found.ids if side else (), 1):
            scores[id] += 1 / (60 + rank)
    return sorted(scores, key=lambda one: (-scores[one], one))


_VARIANTS: Mapping[str, Callable[[Asked], list[str]]] = {
    "keywords": _alone("sparse"),
    "meaning": _alone("dense"),
    "ranks": _by_rank,
    "chosen": fused(CHOSEN),
    "no foreign": fused(replace(CHOSEN, foreign=1.0)),
    "slope 1.0": fused(replace(CHOSEN, slope=1.0)),
    "slope 1.8": fused(replace(CHOSEN, slope=1.8)),
    "start 1.0": fused(replace(CHOSEN, start=1.0)),
    "start 2.4": fused(replace(CHOSEN, start=2.4)),
    "cap 5": fused(replace(CHOSEN, cap=5.0)),
}
_GRID = [Shape(slope=slope, start=start) for slope in (1.0, 1.2, 1.4, 1.6, 1.8) for start in (1.0, 1.4, 1.7, 2.0, 2.4)]


def compare(sets: Mapping[str, Sequence[Asked]]) -> dict[str, dict[str, float]]:
    means = {
        name: {variant: float(np.mean([gain(one, ranked(one)) for one in asked])) for variant, ranked in _VARIANTS.items()}
        for name, asked in sets.items()
    }
    columns = ["set", "queries", "bar", *_VARIANTS]
    rows = [[name, len(sets[name]), max(COLUMNS[name]), *means[name].values()] for name in sets]
    average = [float(np.mean([row[at] for row in rows])) for at in range(2, len(columns))]
    notes = ["bar: the better of the BM25 and dense columns; keywords and meaning: each side alone; ranks: reciprocal rank fusion"]
    machine.report("fusion", "nDCG@10 of variants", columns, [*rows, ["mean", None, *average]], notes=notes)
    return means


def together(sets: Mapping[str, Sequence[Asked]], *, seed: int = 1) -> dict[str, Any]:
    """Each paragraph that exists in several languages in one of them, all in one collection: every query has one answer in it."""
    shelves = {name.removeprefix("xquad_"): asked[0].shelf for name, asked in sets.items() if name in _LANGUAGES}
    if len(shelves) < 2:
        return {}
    rng = random.Random(seed)
    paragraphs = sorted({item.partition("-")[2] for shelf in shelves.values() for item in shelf.items})
    language = {paragraph: rng.choice(sorted(shelves)) for paragraph in paragraphs}
    rows = [
        (shelf.ids[at], item, shelf.spoken[at], shelf.dense[at], shelf.terms[at])
        for shelf in shelves.values()
        for at, item in enumerate(shelf.items)
        if item == f"{language[item.partition('-')[2]]}-{item.partition('-')[2]}"
    ]
    rows.sort(key=lambda row: row[0])
    ids, items, spoken, dense, terms = (list(column) for column in zip(*rows, strict=True))
    pool = Shelf(next(iter(shelves.values())).judged, ids, items, sorted(shelves), spoken, np.stack(dense), terms, _postings(terms))
    item_of, tongue_of = dict(zip(ids, items, strict=True)), dict(zip(ids, spoken, strict=True))
    gains: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name, asked in sets.items():
        for one in asked if name.startswith("xquad_") else ():
            paragraph = next(iter(one.shelf.judged.relevant[one.id])).partition("-")[2]
            codes, answer = tongues(one.text), pool.answer(one.text, one.vector)
            strangers = {id for id, code in tongue_of.items() if code and codes and code not in codes}
            of = "language unsure" if not codes else "own language" if language[paragraph] in codes else "another language"
            lists = {
                "keywords": list(answer.sparse.found.ids) if answer.sparse else [],
                "meaning": list(answer.dense.found.ids) if answer.dense else [],
                "without": [found.id for found in fuse(answer)],
                **{
                    f"echo {echo}": [found.id for found in fuse(answer, strangers=strangers, shape=replace(CHOSEN, echo=echo))]
                    for echo in (0.5, 1.0, 2.0, 3.0, 4.0)
                },
            }
            for variant, ranked in lists.items():
                found = list(dict.fromkeys(item_of[id] for id in ranked))
                gains[of][variant].append(ndcg(found, {f"{language[paragraph]}-{paragraph}": 1.0}))
    columns = ["the answer is in", "queries", *next(iter(gains.values()))]
    table = [[of, len(one["without"]), *(float(np.mean(values)) for values in one.values())] for of, one in gains.items()]
    machine.report("fusion", f"nDCG@10 in one collection of {len(shelves)} languages", columns, table)
    return {str(row[0]): row[1:] for row in table}


def leave_one_out(sets: Mapping[str, Sequence[Asked]]) -> dict[str, Any]:
    """The shape that is best on the average of all other sets, and what it gives on the set left out."""
    table = {name: [float(np.mean([gain(one, fused(shape)(one)) for one in asked])) for shape in _GRID] for name, asked in sets.items()}
    rows: list[tuple[str, float, float, float, float, float]] = []
    for name in sets:
        others = np.mean([values for other, values in table.items() if other != name], axis=0)
        at = int(np.argmax(others))
        ours = table[name][_GRID.index(CHOSEN)]
        rows.append((name, _GRID[at].slope, _GRID[at].start, table[name][at], ours, max(table[name])))
    machine.report("fusion", "constants chosen without the set", ["set", "slope", "start", "left out", "chosen", "best of its own"], rows)
    return {row[0]: row[1:] for row in rows}


@dataclass(frozen=True, slots=True)
class Seen:
    """The first hit of a search, and whether it answers. `world` names the collection that was searched."""

    set: str
    world: str
    side: str
    nearness: float
    coverage: float
    sampled: int
    right: bool

    def by(self, fit: Fit) -> float:
        return fit.share(self.nearness, self.coverage, self.sampled)


def look(sets: Mapping[str, Sequence[Asked]], *, seed: int = 5) -> list[Seen]:
    """First hits in the set's own collection, in those of other sets, and in small ones with and without what answers."""
    rng = random.Random(seed)
    seen = []
    for name, asked in sets.items():
        for one in asked:
            seen += _first_hits(one, one.shelf, "own")
            stranger = rng.choice([other for other in sets if not _kin(name, other)] or [name])
            if stranger != name:
                seen += _first_hits(one, sets[stranger][0].shelf, "other")
            rows: dict[str, list[int]] = defaultdict(list)
            for row, item in enumerate(one.shelf.items):
                rows[item].append(row)
            relevant = [row for item in one.shelf.judged.relevant[one.id] for row in rows.get(item, [])]
            others = [item for item in rows if item not in one.shelf.judged.relevant[one.id]]
            for size in _SIZES:
                if size >= len(one.shelf.ids):
                    continue
                rng.shuffle(others)
                fill = [row for item in others[:size] for row in rows[item]]
                held = relevant[: size // 2]
                seen += _first_hits(one, one.shelf.only([*held, *fill[: size - len(held)]]), f"{size} with")
                seen += _first_hits(one, one.shelf.only(fill[:size]), f"{size} without")
    return seen


def _kin(name: str, other: str) -> bool:
    """Sets over the same texts: a stranger's collection must hold no answer."""
    families = (("xquad",), ("hotpot", "musique"))
    return name == other or any(name.startswith(family) and other.startswith(family) for family in families)


def _first_hits(one: Asked, shelf: Shelf, world: str) -> list[Seen]:
    answer = one.answer if shelf is one.shelf else shelf.answer(one.text, one.vector)
    relevant = one.shelf.judged.relevant[one.id] if world != "other" else {}
    foreign = is_foreign(one.text, shelf.languages)
    words = len(set(bm25.query_vector(one.text, shelf.languages)[1].values()))
    mean, sampled = (answer.dense.moments.mean, answer.dense.moments.n) if answer.dense and answer.dense.moments else (0.0, 1)
    seen = []
    for side, part in (("hybrid", answer), ("dense", Answer(answer.dense, None)), ("sparse", Answer(None, answer.sparse))):
        found = fuse(part, words=words, foreign=foreign)
        if not found:
            continue
        first = found[0]
        near = max(0.0, (first.dense.score - mean) / (1 - mean)) if first.dense else 0.0
        covered = min(1.0, first.sparse.score / (max(1, words) * math.log1p(sampled))) if first.sparse else 0.0
        right = relevant.get(shelf.items[list(shelf.ids).index(first.id)], 0.0) > 0
        seen.append(Seen(one.shelf.judged.name, world, side, near, covered, sampled, right))
    return seen


def fit(seen: Sequence[Seen], features: Sequence[str]) -> Fit:
    """Logistic regression by Newton's method; every pair of set and world has equal weight."""
    worlds: dict[tuple[str, str], int] = defaultdict(int)
    for one in seen:
        worlds[one.set, one.world] += 1
    weights = np.array([1 / worlds[one.set, one.world] for one in seen])
    values = {
        "nearness": [one.nearness for one in seen],
        "coverage": [one.coverage for one in seen],
        "small": [math.sqrt(20 / one.sampled) for one in seen],
        "offset": [1.0 for _ in seen],
    }
    names = [*features, "offset"]
    x = np.array([values[name] for name in names]).T
    y = np.array([float(one.right) for one in seen])
    b = np.zeros(len(names))
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ b, -30, 30)))
        curve = (x * (weights * p * (1 - p) + 1e-9)[:, None]).T @ x + 1e-3 * np.eye(len(names))
        b += np.linalg.solve(curve, x.T @ (weights * (y - p)) - 1e-3 * b)
    return Fit(**{"nearness": 0.0, "coverage": 0.0, "small": 0.0, **dict(zip(names, b.round(2).tolist(), strict=True))})


def loss(seen: Sequence[Seen], by: Fit) -> float:
    worlds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for one in seen:
        share = min(1 - 1e-9, max(1e-9, one.by(by)))
        worlds[one.set, one.world].append(-math.log(share if one.right else 1 - share))
    return float(np.mean([np.mean(values) for values in worlds.values()]))


def calibrate(seen: Sequence[Seen]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    sides: dict[str, tuple[Fit, list[tuple[str, ...]]]] = {
        "hybrid": (HYBRID, [("nearness",), ("coverage",), ("nearness", "coverage"), ("nearness", "coverage", "small")]),
        "dense": (DENSE, [("nearness",), ("nearness", "small")]),
        "sparse": (SPARSE, [("coverage",), ("coverage", "small")]),
    }
    rows: list[list[object]] = []
    for side, (product, choices) in sides.items():
        mine = [one for one in seen if one.side == side]
        fits = {" + ".join(names): fit(mine, names) for names in choices}
        for name, found in fits.items():
            left = [
                loss([one for one in mine if one.set == out], fit([one for one in mine if one.set != out], name.split(" + ")))
                for out in sorted({one.set for one in mine})
            ]
            rows.append([side, name, loss(mine, found), float(np.mean(left)), str(found)])
        rows.append([side, "of the product", loss(mine, product), None, str(product)])
    machine.report("fusion", "fits of the shown score", ["side", "of", "log loss", "sets left out", "fit"], rows)
    kept["fits"] = rows
    hybrid = [one for one in seen if one.side == "hybrid"]
    shown = [(one.by(HYBRID), one) for one in hybrid]
    rows = []
    for low in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        inside = [one.right for score, one in shown if low <= score < low + 0.1 or (low == 0.9 and score == 1)]
        rows.append([f"{low:.1f} to {low + 0.1:.1f}", len(inside), float(np.mean(inside)) if inside else None])
    machine.report("fusion", "shown score against what it promises", ["score", "first hits", "right"], rows)
    kept["reliability"] = rows
    rows = []
    for world in dict.fromkeys(one.world for one in hybrid):
        right = [score for score, one in shown if one.world == world and one.right]
        wrong = [score for score, one in shown if one.world == world and not one.right]
        quartiles = [float(np.percentile(values, at)) if values else None for values in (right, wrong) for at in (25, 50, 75)]
        rows.append([world, len(right), *quartiles[:3], len(wrong), *quartiles[3:]])
    columns = ["collection", "right", "25 %", "50 %", "75 %", "wrong", "25 % ", "50 % ", "75 % "]
    machine.report("fusion", "scores of right and of wrong first hits", columns, rows)
    return {**kept, "worlds": rows}


async def _embedded(models: Path, sets: Sequence[JudgedSet], most: int) -> dict[str, list[tuple[str, NDArray[np.float32]]]]:
    encoder = await registry.load("embedding", embedding.BACKENDS, "local")("multilingual-e5-small", models_dir=models, threads=1)
    found: dict[str, list[tuple[str, NDArray[np.float32]]]] = {}
    for judged in sets:
        chosen = random.Random(3).sample(list(judged.queries), min(most, len(judged.queries)))
        found[judged.name] = [(id, (await encoder.embed_queries([judged.queries[id]]))[0]) for id in chosen]
    await encoder.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("SEMANTIK_TEST_SHARED", Path(__file__).parents[2] / "shared")))
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "semantik-bench-retrieval")
    parser.add_argument("--sets", help="comma separated; left out: all that the folder holds")
    parser.add_argument("--queries", type=int, default=60, help="at most so many of a set")
    chosen = parser.parse_args()
    before = machine.describe()
    path = chosen.data / "semantik" / "semantik.db"
    if not path.exists():
        raise SystemExit(f"{path} is not there; run `make bench-retrieval` with the same --data first")
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    held = {name for (name,) in database.execute("select name from collections")}
    wanted = chosen.sets.split(",") if chosen.sets else [name for name in COLUMNS if name in held]
    shelves = {name: load(database, read(chosen.shared / "eval" / name)) for name in wanted}
    vectors = asyncio.run(_embedded(chosen.data / "semantik" / "models", [shelf.judged for shelf in shelves.values()], chosen.queries))
    sets = {name: [Asked(shelf, id, vector) for id, vector in vectors[name]] for name, shelf in shelves.items()}
    results = {"variants": compare(sets), "together": together(sets), "left_out": leave_one_out(sets), "score": calibrate(look(sets))}
    machine.keep("fusion", results, before)


if __name__ == "__main__":
    main()
