"""Chunking settings that do not fit a model are refused with the numbers in the sentence."""

from __future__ import annotations

import pytest

from semantik.engines.chunking.base import ChunkingSettings
from semantik.engines.chunking.check import BadChunking, check
from semantik.engines.embedding.base import ModelSpec
from semantik.kit.errors import InvalidInput

SPEC = ModelSpec(name="e5", key="e5", dimensions=384, max_tokens=512, languages=())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (ChunkingSettings("recursive", 9000, 0), "chunk size 9000 exceeds the model's 512 tokens"),
        (ChunkingSettings("recursive", 510, 0), "chunk size 510 leaves no room"),
        (ChunkingSettings("recursive", 8, 0), "chunk size 8 is below the least, 16 tokens"),
        (ChunkingSettings("recursive", 100, 51), "overlap 51 exceeds half of the chunk size 100"),
        (ChunkingSettings("recursive", 100, -1), "overlap -1 is below 0"),
        (ChunkingSettings("vibes", 100, 0), "no chunking strategy 'vibes'"),
    ],
)
def test_says_what_does_not_fit(settings: ChunkingSettings, said: str) -> None:
    with pytest.raises(BadChunking, match=said) as caught:
        check(settings, SPEC)
    assert isinstance(caught.value, InvalidInput)


@pytest.mark.parametrize("settings", [ChunkingSettings(), ChunkingSettings("tokens", 504, 252), ChunkingSettings("sentences", 16, 8)])
def test_lets_pass_what_fits(settings: ChunkingSettings) -> None:
    check(settings, SPEC)


def test_a_model_that_does_not_say_its_limit_takes_any() -> None:
    check(ChunkingSettings("recursive", 9000, 0), ModelSpec("r", "r", 8, 0, ()))
