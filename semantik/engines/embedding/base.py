"""The ports of meaning: an encoder turns texts into vectors, a tokenizer counts its tokens, a term cutter feeds BM25."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from semantik.kit.errors import Misconfigured, Unavailable


class ModelMissing(Misconfigured):
    code = "model_missing"
    status = 409
    title = "The embedding model is not installed"


class EncoderUnavailable(Unavailable):
    """A remote encoder does not answer, or answers nonsense; `transient` says whether trying again can help."""

    code = "encoder_unavailable"

    @property
    def transient(self) -> bool:
        return bool(self.data.get("transient", True))


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a model is and what it can take.

    `key` names the vectors it gives: name, weights hash, graph version, variant. Equal keys give equal vectors.
    `languages` are ISO 639-1 codes, empty = unknown; `max_tokens` counts specials and prefix.
    """

    name: str
    key: str
    dimensions: int
    max_tokens: int
    languages: tuple[str, ...]
    query_prefix: str = ""
    passage_prefix: str = ""
    engine: str = "local"


class Tokenizer(Protocol):
    """Safe to call from several threads. `room` = tokens of a passage that the model reads, prefix and specials apart; 0 = unknown."""

    room: int

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Character spans [start, end) of the text's tokens, ascending, without specials. Linear time."""
        ...

    def count(self, text: str) -> int: ...


class TextModel(Protocol):
    """What a model is and how it counts: all that cutting texts needs, known before the model can embed."""

    spec: ModelSpec
    tokenizer: Tokenizer


class Encoder(TextModel, Protocol):
    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 [n, dimensions], rows L2-normalised, in the order of `texts`; adds the passage prefix itself.

        Texts beyond `max_tokens` are cut. Runs at low priority over all ingest threads.
        """
        ...

    async def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As `embed_passages`, with the query prefix, on a thread that ingestion never occupies."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Metered:
    """Vectors as `embed_passages` gives them, and the tokens that the provider charges for them."""

    vectors: NDArray[np.float32]
    tokens: int


@runtime_checkable
class MeteredEncoder(Encoder, Protocol):
    """An encoder whose passages cost money; may raise `kit.errors.RateLimited`."""

    async def embed_metered(self, texts: Sequence[str]) -> Metered: ...
