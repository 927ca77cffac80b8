"""An encoder for tests: words and their letters hashed into 256 buckets. Instant, deterministic, similar texts are near."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semantik.engines.embedding.base import Encoder, ModelSpec, Tokenizer

_TOKEN = re.compile(r"\w{1,16}|[^\w\s]")
_WORD = re.compile(r"\w+")
_MAX_TOKENS = 8192
_LETTERS = 3


class WordTokenizer(Tokenizer):
    """A token is a word, at most 16 letters of it, or one other visible character."""

    room = _MAX_TOKENS

    def spans(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in _TOKEN.finditer(text)]

    def count(self, text: str) -> int:
        return sum(1 for _ in _TOKEN.finditer(text))


class HashingEncoder(Encoder):
    def __init__(self, name: str, dimensions: int) -> None:
        self.spec = ModelSpec(
            name=name, key=f"hashing-{dimensions}-1", dimensions=dimensions, max_tokens=_MAX_TOKENS, languages=(), engine="hashing"
        )
        self.tokenizer: Tokenizer = WordTokenizer()

    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._embed(texts)

    async def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._embed(texts)

    async def close(self) -> None:
        """Holds nothing."""

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), self.spec.dimensions), dtype=np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            for feature, weight in _features(text):
                code = zlib.crc32(feature.encode("utf-8", "surrogatepass"))
                vector[code % self.spec.dimensions] += weight if code & 0x8000_0000 else -weight
            length = float(np.linalg.norm(vector))
            if length:
                vector /= length
            else:
                vector[0] = 1.0
        return vectors


async def open_hashing(name: str = "hashing", *, dimensions: int = 256) -> HashingEncoder:
    return HashingEncoder(name, dimensions)


def _features(text: str) -> list[tuple[str, float]]:
    """Words count whole and by their runs of three letters, so that inflected and compound words stay near each other."""
    found: list[tuple[str, float]] = []
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold())[:_MAX_TOKENS]:
        word = word[:64]
        found.append((word, 1.0))
        framed = f"<{word}>"
        found.extend((framed[at : at + _LETTERS], 0.5) for at in range(len(framed) - _LETTERS + 1))
    return found
