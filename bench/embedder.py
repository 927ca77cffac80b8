"""What embedding costs: passages a second, CPU a passage and memory of the local model. `python -m bench.embedder --help`."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

from bench import machine
from semantik.engines.chunking import open_chunker
from semantik.engines.chunking.base import ChunkingSettings
from semantik.engines.embedding.local import LocalEncoder, open_local
from semantik.engines.extract.base import Part
from semantik.engines.weights import catalog

_PROSE = (
    "the of and to in a is that for it was on are as with his they at be this from have or by one had not but what all were when we there "
    "can an your which their said if do will each about how up out them then she many some so these would other into has more her two like "
    "engine pressure valve invoice contract temperature maintenance schedule report delivery committee regulation laboratory sample "
    "Umwelt Verordnung Rechnung Prüfung Lieferung Maschine presión contrato medida informe sécurité mesure rapport livraison"
)
_WORDS = _PROSE.split(" ")


def passages(encoder: LocalEncoder, count: int, tokens: int) -> list[str]:
    """Even passages of made-up prose, `tokens` long, the same on every run."""
    state, words = 12345, []
    for number in range(count * tokens):
        state = (1103515245 * state + 12345) % 2**31
        words.append(_WORDS[(state >> 16) % len(_WORDS)] + ("." if number % 17 == 16 else ""))
    text = " ".join(words)
    spans = open_chunker("tokens").split(Part(text), encoder.tokenizer, ChunkingSettings("tokens", tokens, 0))
    return [text[span.start : span.end] for span in spans[:count]]


def memory_mb() -> dict[str, float]:
    path = Path("/proc/self/smaps_rollup")
    if not path.exists():
        return {}
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in path.read_text(encoding="ascii").splitlines()[1:]}
    return {"rss": sizes["Rss"], "pss": sizes["Pss"]}


async def measure(model: str, models_dir: Path, *, texts: int, tokens: int, rounds: int, threads: int) -> dict[str, Any]:
    before = memory_mb()
    started, cpu = time.perf_counter(), time.process_time()
    encoder = await open_local(model, models_dir=models_dir, threads=threads)
    opened = {"wall_s": time.perf_counter() - started, "cpu_s": time.process_time() - cpu}
    loaded = memory_mb()
    sample = passages(encoder, texts, tokens)
    await encoder.embed_passages(sample[:8])
    walls, cpus = [], []
    for _ in range(rounds):
        started, cpu = time.perf_counter(), time.process_time()
        await encoder.embed_passages(sample)
        walls.append(len(sample) / (time.perf_counter() - started))
        cpus.append((time.process_time() - cpu) / len(sample) * 1000)
    started = time.process_time()
    for text in sample:
        encoder.tokenizer.ids(text, encoder.spec.max_tokens)
    tokenizer_ms = (time.process_time() - started) / len(sample) * 1000
    queries = []
    for number in range(40):
        started = time.perf_counter()
        await encoder.embed_queries([f"how is the pressure valve number {number} tested"])
        queries.append((time.perf_counter() - started) * 1000)
    used = memory_mb()
    await encoder.close()
    return {
        "model": model,
        "key": encoder.spec.key,
        "texts": len(sample),
        "tokens": statistics.mean(encoder.tokenizer.count(text) for text in sample),
        "rounds": rounds,
        "texts_per_s": statistics.median(walls),
        "cpu_ms_per_text": statistics.median(cpus),
        "cpu_ms_per_text_best": min(cpus),
        "tokenizer_ms_per_text": tokenizer_ms,
        "query_ms_p50": statistics.median(queries),
        "open": opened,
        "memory_mb": {"before": before, "loaded": loaded, "used": used},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=catalog.DEFAULT)
    parser.add_argument("--models-dir", type=Path, default=Path("~/.semantik/models").expanduser())
    parser.add_argument("--texts", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=180)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args()
    before = machine.describe()
    found = asyncio.run(
        measure(given.model, given.models_dir, texts=given.texts, tokens=given.tokens, rounds=given.rounds, threads=given.threads)
    )
    rows: list[tuple[str, object]] = [
        ("passages a second", found["texts_per_s"]),
        ("CPU ms a passage, median", found["cpu_ms_per_text"]),
        ("CPU ms a passage, best round", found["cpu_ms_per_text_best"]),
        ("of which tokenizer, ms", found["tokenizer_ms_per_text"]),
        ("query ms, p50", found["query_ms_p50"]),
        ("opening, wall s", found["open"]["wall_s"]),
        ("opening, CPU s", found["open"]["cpu_s"]),
        *((f"PSS MB {when}", sizes["pss"]) for when, sizes in found["memory_mb"].items() if sizes),
    ]
    title = f"{found['model']}, {found['texts']} passages of {found['tokens']:.0f} tokens, {found['rounds']} rounds"
    machine.report("embedder", title, ("figure", "value"), rows)
    machine.keep("embedder", found, before)


if __name__ == "__main__":
    main()
