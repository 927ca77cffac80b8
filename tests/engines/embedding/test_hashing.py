"""The tests' encoder: near texts are near, on every machine and in every process alike."""

from __future__ import annotations

import subprocess
import sys

from semantik.engines.embedding.hashing import open_hashing

CODE = (
    "import asyncio; from semantik.engines.embedding.hashing import open_hashing;"
    "e = asyncio.run(open_hashing('hashing')); v = asyncio.run(e.embed_passages(['some text'])); print(v.tobytes().hex()[:400])"
)


async def test_similar_texts_are_nearer_than_others() -> None:
    encoder = await open_hashing("hashing")
    texts = ["how to renew a passport", "renewing passports", "baking sourdough bread"]
    scores = (await encoder.embed_queries(texts)) @ (await encoder.embed_passages(texts)).T
    assert scores[0, 1] > 2 * abs(scores[0, 2])


def test_processes_agree() -> None:
    outputs = {
        subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


async def test_the_size_can_be_chosen() -> None:
    encoder = await open_hashing("hashing", dimensions=64)
    assert (await encoder.embed_passages(["a", ""])).shape == (2, 64)
    assert encoder.spec.key == "hashing-64-1"
