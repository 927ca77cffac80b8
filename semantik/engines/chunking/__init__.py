"""Ways to cut text: backend names."""

from __future__ import annotations

from semantik.engines.chunking.base import Chunker
from semantik.kit import registry

BACKENDS = {
    "recursive": "semantik.engines.chunking.recursive:Recursive",
    "markdown": "semantik.engines.chunking.markdown:Markdown",
    "tokens": "semantik.engines.chunking.tokens:Tokens",
    "sentences": "semantik.engines.chunking.sentences:Sentences",
}


def open_chunker(strategy: str) -> Chunker:
    """Raises `kit.registry.UnknownBackend` for a strategy that is not listed."""
    chunker: Chunker = registry.load("chunking", BACKENDS, strategy)()
    return chunker
