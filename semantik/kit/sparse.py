"""The sparse vector: what BM25 makes of a text and the index stores. On the ground, for two engines share it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term ids (uint32, unique, ascending) and their weights; IDF is applied by the index at query time."""

    indices: NDArray[np.uint32]
    values: NDArray[np.float32]
