"""The vectors of the last queries: people page, filter and retry, and each of these embeds the same words again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
from numpy.typing import NDArray

_CAPACITY = 256


class Remembered:
    """Least recently used goes first. For one event loop; two equal queries at once may both be embedded."""

    def __init__(self) -> None:
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    async def embed(
        self, texts: Sequence[str], embed: Callable[[list[str]], Awaitable[NDArray[np.float32]]], dimensions: int
    ) -> NDArray[np.float32]:
        """Vectors of the texts in order; `embed` is asked for those that are not known, each once."""
        missing = list(dict.fromkeys(text for text in texts if text not in self._vectors))
        found = {text: self._vectors[text] for text in texts if text in self._vectors}
        if missing:
            found.update(zip(missing, await embed(missing), strict=True))
        for text in texts:
            self._vectors[text] = found[text]
            self._vectors.move_to_end(text)
        while len(self._vectors) > _CAPACITY:
            self._vectors.popitem(last=False)
        return np.stack([found[text] for text in texts]) if texts else np.empty((0, dimensions), dtype=np.float32)
