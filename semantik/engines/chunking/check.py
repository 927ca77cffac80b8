"""Whether chunking settings fit a model; the sentence that says what does not."""

from __future__ import annotations

from semantik.engines.chunking import BACKENDS
from semantik.engines.chunking.base import ChunkingSettings
from semantik.engines.embedding.base import ModelSpec
from semantik.kit.errors import InvalidInput

# Below this a single character of some scripts (one ligature, eighteen letters) may not fit.
MIN_TOKENS = 16
# Specials, the prefix (`passage: ` is two tokens) and a token more where a cut fell inside a word.
RESERVED_TOKENS = 8


class BadChunking(InvalidInput):
    code = "bad_chunking"
    title = "The chunking settings cannot be used"
    default_hint = "Choose a chunk size that the model can take, and an overlap of at most half of it."


def check(settings: ChunkingSettings, spec: ModelSpec) -> None:
    """Raises `BadChunking`. A model that does not say its limit (`max_tokens` 0) takes any size."""
    if settings.strategy not in BACKENDS:
        raise BadChunking(f"there is no chunking strategy {settings.strategy!r}", hint=f"Choose one of: {', '.join(BACKENDS)}.")
    if settings.max_tokens < MIN_TOKENS:
        raise BadChunking(f"chunk size {settings.max_tokens} is below the least, {MIN_TOKENS} tokens")
    if spec.max_tokens and settings.max_tokens > spec.max_tokens:
        raise BadChunking(
            f"chunk size {settings.max_tokens} exceeds the model's {spec.max_tokens} tokens",
            hint=f"Choose at most {spec.max_tokens - RESERVED_TOKENS}.",
        )
    if spec.max_tokens and settings.max_tokens > spec.max_tokens - RESERVED_TOKENS:
        raise BadChunking(
            f"chunk size {settings.max_tokens} leaves no room for the prefix and special tokens in the model's {spec.max_tokens} tokens",
            hint=f"Choose at most {spec.max_tokens - RESERVED_TOKENS}.",
        )
    if settings.overlap_tokens < 0:
        raise BadChunking(f"overlap {settings.overlap_tokens} is below 0")
    if settings.overlap_tokens > settings.max_tokens // 2:
        raise BadChunking(f"overlap {settings.overlap_tokens} exceeds half of the chunk size {settings.max_tokens}")
