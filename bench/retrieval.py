"""Quality of search over HTTP with default settings: `make bench-retrieval ARGS="--sets xquad_de,productdocs"`.

Every set of the shared judged queries becomes a collection, one item = one document; each query is asked in the modes
hybrid, dense and sparse; nDCG@10 against the reference columns of the sets' README. Whether ours is worse is decided by a
bootstrap over queries (95 %): paired with the plain BM25 that this file rebuilds where BM25 is the better column; else,
because that encoder does not ship, against the column's mean. FinanceBench also runs end to end from its PDFs (page hit@5, @10).
The data folder is kept (`--data`), so that a second run embeds nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import snowballstemmer

from bench import machine
from bench.app import App, serving

# nDCG@10 of plain BM25 and of all-MiniLM-L6-v2 (the sets' README).
COLUMNS = {
    "codechunks": (0.584, 0.622), "cosqa": (0.316, 0.603), "covidqa": (0.615, 0.406), "cranfield": (0.341, 0.377),
    "financebench": (0.091, 0.344), "hotpot100": (0.801, 0.782), "musique100": (0.546, 0.664), "npl": (0.440, 0.431),
    "productdocs": (0.639, 0.632), "rgb_zh": (0.667, 0.170), "xquad_ar": (0.931, 0.053), "xquad_cross2en": (0.220, 0.247),
    "xquad_de": (0.944, 0.681), "xquad_en": (0.973, 0.953), "xquad_es": (0.968, 0.608), "xquad_zh": (0.969, 0.269),
}  # fmt: skip
# The hard ones: this much below the better column still counts.
_SLACK = {"cosqa": 0.05, "financebench": 0.05}
_STEMMERS = {"xquad_ar": "arabic", "xquad_de": "german", "xquad_es": "spanish"}
_CHINESE = ("rgb_zh", "xquad_zh")
_MODES = ("sparse", "dense", "hybrid")
_RESAMPLES = 5_000
# Searches in flight: quality does not depend on it, and the server is never idle.
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """`relevant`: query id -> item id -> grade above 0."""

    name: str
    items: Mapping[str, str]
    queries: Mapping[str, str]
    relevant: Mapping[str, Mapping[str, float]]


def read(folder: Path) -> JudgedSet:
    relevant: dict[str, dict[str, float]] = defaultdict(dict)
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, item, grade = line.split("\t")
        if float(grade) > 0:
            relevant[query][item] = float(grade)
    return JudgedSet(
        name=folder.name,
        items={row["id"]: _whole_text(row) for row in _rows(folder / "corpus.jsonl")},
        queries={row["id"]: row["text"] for row in _rows(folder / "queries.jsonl") if row["id"] in relevant},
        relevant=relevant,
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def _whole_text(row: Mapping[str, Any]) -> str:
    title, text = str(row.get("title") or ""), str(row["text"])
    return text if text.startswith(title) else f"{title}\n\n{text}"


def ndcg(ranked: Sequence[str], relevant: Mapping[str, float], k: int = 10) -> float:
    """Linear gains, log2 discount, cut at `k`."""
    gained = sum(relevant.get(item, 0.0) / math.log2(rank + 1) for rank, item in enumerate(ranked[:k], 1))
    ideal = sum(grade / math.log2(rank + 1) for rank, grade in enumerate(sorted(relevant.values(), reverse=True)[:k], 1))
    return gained / ideal if ideal else 0.0


def plain_bm25(judged: JudgedSet) -> list[float]:
    """nDCG@10 a query of what the BM25 column is: \\w+ words, Snowball, Chinese bigrams, k1 0.9, b 0.4."""
    stemmer = None if judged.name in _CHINESE else snowballstemmer.stemmer(_STEMMERS.get(judged.name, "english"))
    known: dict[str, str] = {}

    def cut(text: str) -> list[str]:
        words = re.findall(r"\w+", text.lower())
        if stemmer is None:
            return [word[at : at + 2] for word in words for at in range(max(1, len(word) - 1))]
        for word in words:
            if word not in known:
                known[word] = stemmer.stemWord(word)
        return [known[word] for word in words]

    ids = list(judged.items)
    postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
    lengths = np.zeros(len(ids))
    for at, id in enumerate(ids):
        counts = Counter(cut(judged.items[id]))
        lengths[at] = counts.total()
        for word, count in counts.items():
            postings[word].append((at, count))
    norms = 0.9 * (0.6 + 0.4 * lengths / lengths.mean())
    found = []
    for query, text in judged.queries.items():
        scores = np.zeros(len(ids))
        for word in cut(text):
            if word in postings:
                rows = np.array(postings[word])
                idf = math.log((len(ids) - len(rows) + 0.5) / (len(rows) + 0.5) + 1)
                scores[rows[:, 0]] += idf * rows[:, 1] / (rows[:, 1] + norms[rows[:, 0]])
        best = np.argsort(-scores, kind="stable")[:10]
        found.append(ndcg([ids[at] for at in best if scores[at] > 0], judged.relevant[query]))
    return found


def write_items(judged: JudgedSet, folder: Path) -> dict[str, str]:
    """One text file an item; item id of each file name."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {}
    for number, (id, text) in enumerate(judged.items.items()):
        name = f"{number:06d}.txt"
        names[name] = id
        path = folder / name
        if not path.exists():
            path.write_text(text, encoding="utf-8", errors="replace", newline="")
    return names


def ask(app: App, judged: JudgedSet, names: Mapping[str, str], collection: str, mode: str) -> list[float]:
    def one(query: str) -> float:
        hits = app.search(judged.queries[query], collections=[collection], mode=mode, limit=10)["hits"]
        return ndcg([names[hit["document"]["path"]] for hit in hits], judged.relevant[query])

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(one, judged.queries))


def bounds(differences: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean by bootstrap over queries; the same draws each time."""
    values = np.asarray(differences)
    draws = np.random.default_rng(7).integers(0, len(values), (_RESAMPLES, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def verdict(name: str, hybrid: Sequence[float], plain: Sequence[float]) -> str:
    bm25, dense = COLUMNS[name]
    better = max(bm25, dense)
    slack = _SLACK.get(name, 0.0)
    paired = bm25 >= dense
    low, high = bounds([ours - (theirs if paired else better) for ours, theirs in zip(hybrid, plain, strict=True)])
    if high < -slack:
        return "WORSE"
    return "better" if low > 0 else "not worse"


def _ready_collection(app: App, name: str, folder: Path, chunk_tokens: int | None = None) -> str:
    """The collection with every file of the folder indexed: made, completed or found as it is."""
    if chunk_tokens is not None:
        name = f"{name}, {chunk_tokens} tokens"
    known = {one["name"]: one["id"] for one in app.call("GET", "/api/v1/collections", params={"limit": 200})["items"]}
    if name not in known:
        settings = {} if chunk_tokens is None else {"chunking": {"max_tokens": chunk_tokens, "overlap_tokens": chunk_tokens // 10}}
        known[name] = app.collection(name, **settings)
        app.ingest_folder(known[name], folder, timeout_s=6 * 3600)
    elif _missing(app, known[name]):
        for source in app.call("GET", f"/api/v1/collections/{known[name]}/sources")["items"]:
            app.wait(app.call("POST", f"/api/v1/sources/{source['id']}/sync")["job_id"], timeout_s=6 * 3600)
    if _missing(app, known[name]):
        raise SystemExit(f"{name}: not every item was indexed: {app.call('GET', f'/api/v1/collections/{known[name]}')['ledger']}")
    return str(known[name])


def _missing(app: App, collection: str) -> int:
    """How many files wait for an index. A set may hold items without a letter (two of cranfield): those cannot have one."""
    ledger = app.call("GET", f"/api/v1/collections/{collection}")["ledger"]
    empty = sum(reason["count"] for reason in ledger["reasons"] if reason["code"] == "empty_file")
    return int(ledger["listed"] - ledger["indexed"] - ledger["partial"] - empty) if ledger["listed"] else 1


def run_set(app: App, judged: JudgedSet, data: Path, chunk_tokens: int | None) -> dict[str, Any]:
    folder = data / "items" / judged.name
    names = write_items(judged, folder)
    collection = _ready_collection(app, judged.name, folder, chunk_tokens)
    ledger = app.call("GET", f"/api/v1/collections/{collection}")["ledger"]
    scores = {mode: ask(app, judged, names, collection, mode) for mode in _MODES}
    plain = plain_bm25(judged)
    bm25, dense = COLUMNS[judged.name]
    means = {mode: float(np.mean(values)) for mode, values in scores.items()}
    return {
        "set": judged.name,
        "items": len(judged.items),
        "queries": len(judged.queries),
        "indexed": ledger["indexed"],
        "bm25_column": bm25,
        "dense_column": dense,
        "plain_bm25": float(np.mean(plain)),
        **means,
        "delta": means["hybrid"] - max(bm25, dense),
        "interval": bounds([ours - max(bm25, dense) for ours in scores["hybrid"]]),
        "verdict": verdict(judged.name, scores["hybrid"], plain),
        "sparse_verdict": "ok" if means["sparse"] >= bm25 - 0.01 else "BELOW",
        "per_query": scores["hybrid"],
    }


def run_pdfs(app: App, folder: Path, chunk_tokens: int | None) -> dict[str, Any]:
    """FinanceBench from its PDFs: is a page of the evidence among the first 5 or 10 passages?"""
    collection = _ready_collection(app, "financebench-pdfs", folder / "pdfs", chunk_tokens)
    judged = read(folder)
    hits = {5: 0, 10: 0}
    for query, text in judged.queries.items():
        pages = {tuple(item.rsplit("#p", 1)) for item in judged.relevant[query]}
        found = app.search(text, collections=[collection], limit=10, group_by="none")["hits"]
        ranks = [rank for rank, hit in enumerate(found, 1) if (Path(hit["document"]["path"]).stem, str(hit["page"])) in pages]
        for k in hits:
            hits[k] += bool(ranks) and ranks[0] <= k
    return {"queries": len(judged.queries), **{f"page_hit@{k}": count / len(judged.queries) for k, count in hits.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sets", default=",".join(COLUMNS), help="comma separated; `pdfs` is FinanceBench from its PDFs")
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("SEMANTIK_TEST_SHARED", Path(__file__).parents[2] / "shared")))
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "semantik-bench-retrieval")
    parser.add_argument("--chunk-tokens", type=int, help="chunks of this size instead of the default")
    chosen = parser.parse_args()
    sets = chosen.shared / "eval"
    if not sets.is_dir():
        raise SystemExit("the judged query sets are not on this machine; name their folder with --shared")
    wanted = chosen.sets.split(",")
    if chosen.sets == ",".join(COLUMNS):
        wanted.append("pdfs")
    before = machine.describe()
    rows: list[dict[str, Any]] = []
    results: dict[str, Any] = {"sets": rows}
    with serving(chosen.data / "semantik", log_level="warning") as app:
        app.settle()
        for name in wanted:
            if name == "pdfs":
                results["pdfs"] = run_pdfs(app, sets / "financebench", chosen.chunk_tokens)
                print(f"financebench from its PDFs: {results['pdfs']}", flush=True)
                continue
            row = run_set(app, read(sets / name), chosen.data, chosen.chunk_tokens)
            rows.append(row)
            sides = f"sparse {row['sparse']:.3f}, dense {row['dense']:.3f}"
            print(f"{name}: hybrid {row['hybrid']:.3f} ({row['delta']:+.3f}, {row['verdict']}), {sides}", flush=True)
    if rows:
        results["mean_delta"] = float(np.mean([row["delta"] for row in rows]))
        columns = ["set", "queries", "bm25_column", "dense_column", "sparse", "dense", "hybrid", "delta", "verdict", "sparse_verdict"]
        notes = [f"mean delta {results['mean_delta']:+.3f} over {len(rows)} sets; the better of the two columns is the bar"]
        machine.report(
            "retrieval", "nDCG@10 over HTTP, default settings", columns, [[row[name] for name in columns] for row in rows], notes=notes
        )
    machine.keep("retrieval", results, before)


if __name__ == "__main__":
    main()
