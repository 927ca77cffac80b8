"""Encoders that run here: BERT-family graphs on ONNX Runtime, one text a run, without torch.

One session is shared by all threads, each run uses one thread and no spinning: measured faster than batches (no padding,
activations stay in the cache) and than a multi-threaded session, and it gives a text the same vector whatever else is
embedded. Ingest threads run at nice 19; queries have a thread of their own outside that pool.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from semantik.engines.embedding.base import Encoder, ModelMissing, ModelSpec, TextModel
from semantik.engines.embedding.remembered import Remembered
from semantik.engines.embedding.tokenizers import LocalTokenizer, open_tokenizer
from semantik.engines.weights import catalog, store
from semantik.engines.weights.catalog import Model
from semantik.kit.concurrency import cpu_count, lower_thread_priority, run_cpu

_REST_S = 3.0


class LocalEncoder(Encoder):
    """One loaded model. Close it to free its threads."""

    def __init__(self, spec: ModelSpec, tokenizer: LocalTokenizer, session: onnxruntime.InferenceSession, threads: int) -> None:
        self.spec = spec
        self.tokenizer: LocalTokenizer = tokenizer
        self._session = session
        self._ingest = ThreadPoolExecutor(threads, thread_name_prefix="embed", initializer=lower_thread_priority)
        self._query = ThreadPoolExecutor(1, thread_name_prefix="embed-query")
        self._remembered = Remembered()
        self._active = 0
        self._closed = False
        self._trim: asyncio.TimerHandle | None = None

    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        loop = asyncio.get_running_loop()
        # Longest first: the last texts to finish are short ones, so the threads end together.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]), reverse=True)
        runs = [loop.run_in_executor(self._ingest, self._embed, self.spec.passage_prefix + texts[index]) for index in order]
        vectors = np.empty((len(texts), self.spec.dimensions), dtype=np.float32)
        self._active += 1
        try:
            for index, vector in zip(order, await asyncio.gather(*runs), strict=True):
                vectors[index] = vector
        finally:
            for run in runs:
                run.cancel()
            self._active -= 1
            self._rest(loop)
        return vectors

    async def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return await self._remembered.embed(texts, self._queries, self.spec.dimensions)

    async def close(self) -> None:
        self._closed = True
        if self._trim is not None:
            self._trim.cancel()
        await run_cpu(self._shut)

    async def _queries(self, texts: list[str]) -> NDArray[np.float32]:
        loop = asyncio.get_running_loop()
        return np.stack([await loop.run_in_executor(self._query, self._embed, self.spec.query_prefix + text) for text in texts])

    def _rest(self, loop: asyncio.AbstractEventLoop) -> None:
        """Some seconds after the last passages, gives back what the threads' runs left in their heaps: about 65 MB of 195."""
        if self._trim is not None:
            self._trim.cancel()
        if self._active == 0 and not self._closed:
            self._trim = loop.call_later(_REST_S, self._query.submit, _trim_heap)

    def _shut(self) -> None:
        self._ingest.shutdown(wait=True, cancel_futures=True)
        self._query.shutdown(wait=True, cancel_futures=True)

    def _embed(self, text: str) -> NDArray[np.float32]:
        ids = np.array(self.tokenizer.ids(text, self.spec.max_tokens), dtype=np.int64)
        (vector,) = self._session.run(None, {"ids": ids})
        return np.asarray(vector[0], dtype=np.float32)


@dataclass(slots=True)
class LocalTextModel(TextModel):
    spec: ModelSpec
    tokenizer: LocalTokenizer


async def describe_local(name: str, *, models_dir: Path) -> LocalTextModel:
    """Reads a model's tokenizer: a quarter of a second, where building and loading the graph takes many. Raises `ModelMissing`."""
    model = _installed(name, models_dir)
    return LocalTextModel(_spec(model), await run_cpu(open_tokenizer, model, models_dir))


async def open_local(name: str, *, models_dir: Path, threads: int = 0, tokenizer: LocalTokenizer | None = None) -> LocalEncoder:
    """Loads a model, building its graph first when that was not done yet; `threads` 0 = one for each core.

    Raises `ModelMissing` with the command that installs it, `WeightsDamaged`, `GraphNotBuilt`.
    """
    model = _installed(name, models_dir)
    if tokenizer is None:
        tokenizer = await run_cpu(open_tokenizer, model, models_dir)
    session = await run_cpu(_load, model, models_dir)
    return LocalEncoder(_spec(model), tokenizer, session, threads or cpu_count())


def _installed(name: str, models_dir: Path) -> Model:
    model = catalog.describe(name, models_dir)
    if not model.installed:
        raise ModelMissing(f"the embedding model {name!r} is not installed", hint=f"Run: semantik models pull {name}", model=name)
    return model


def _spec(model: Model) -> ModelSpec:
    return ModelSpec(
        name=model.name,
        key=store.key_of(model),
        dimensions=model.dimensions,
        max_tokens=model.max_tokens,
        languages=model.languages,
        query_prefix=model.query_prefix,
        passage_prefix=model.passage_prefix,
    )


def _load(model: Model, models_dir: Path) -> onnxruntime.InferenceSession:
    folder = store.ensure_graph(model, models_dir)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The arena keeps the buffers of the longest text for ever, once for each thread.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(folder / store.GRAPH), options, providers=["CPUExecutionProvider"])
    _give_memory_back()
    return session


def _give_memory_back() -> None:
    """Returns what loading needed to the system."""
    gc.collect()
    _trim_heap()


def _trim_heap() -> None:
    """glibc keeps freed memory for later; this hands it back. 40 ms, without the interpreter's lock."""
    if sys.platform == "linux":
        try:
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        except (OSError, AttributeError):  # another libc: nothing to trim
            return
