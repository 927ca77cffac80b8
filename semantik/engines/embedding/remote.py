"""Encoders behind an OpenAI-compatible endpoint: batched, throttled, retried, and never believed without a look.

What is sent is `POST <url>/embeddings {"model", "input": [...], "encoding_format"}`; answers may come as float lists or
base64, in any order, and are put in order by `index`. Neither texts nor the key nor an answer's body (it may repeat the
texts) ever reach a log or an error.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import random
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
import numpy as np
from numpy.typing import NDArray

from semantik.engines.embedding.base import EncoderUnavailable, Metered, MeteredEncoder, ModelSpec, Tokenizer
from semantik.engines.embedding.remembered import Remembered
from semantik.engines.embedding.throttle import Throttle, retry_after_s
from semantik.engines.limits.base import Buckets
from semantik.engines.limits.memory import MemoryBuckets
from semantik.kit.errors import Misconfigured, RateLimited

_BATCH_TEXTS = 64
_BATCH_CHARACTERS = 120_000
_CONNECTIONS = 4
_TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_HINTS = dict.fromkeys((401, 403), "Check SEMANTIK_REMOTE_EMBEDDING_KEY.") | {404: "Check the address and the model's name."}
_TOKEN = re.compile(r"[A-Za-z0-9_]{1,4}|\w{1,2}|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call goes on trying: waits are uniform in [0, min(most_s, first_s * 2^n)] (full jitter), or what the server asks.

    Whoever would have to wait longer for a turn than `turn_s` (`query_turn_s` for a search) gets `RateLimited` instead.
    """

    attempts: int = 6
    first_s: float = 0.5
    most_s: float = 60.0
    timeout_s: float = 60.0
    turn_s: float = 10.0
    query_turn_s: float = 2.0


class EstimatingTokenizer(Tokenizer):
    """Counts rather too many tokens than too few, since the server's own tokenizer is not known."""

    def __init__(self, room: int) -> None:
        self.room = room

    def spans(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in _TOKEN.finditer(text)]

    def count(self, text: str) -> int:
        return sum(1 for _ in _TOKEN.finditer(text))

    def cut(self, text: str) -> str:
        """The text up to `room` tokens."""
        if len(text) <= self.room:
            return text
        for number, match in enumerate(_TOKEN.finditer(text)):
            if number == self.room:
                return text[: match.start()]
        return text


class RemoteEncoder(MeteredEncoder):
    """Passages share a few connections; a query has one of its own."""

    def __init__(self, spec: ModelSpec, remote: _Remote) -> None:
        self.spec = spec
        self.tokenizer: EstimatingTokenizer = EstimatingTokenizer(spec.max_tokens)
        self._remote = remote
        self._slots = asyncio.Semaphore(_CONNECTIONS)
        self._remembered = Remembered()

    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return (await self.embed_metered(texts)).vectors

    async def embed_metered(self, texts: Sequence[str]) -> Metered:
        vectors = np.empty((len(texts), self.spec.dimensions), dtype=np.float32)
        prepared = [self.spec.passage_prefix + self.tokenizer.cut(text) for text in texts]
        sizes = [self.tokenizer.count(text) for text in prepared]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {
                    (start, end): group.create_task(self._batch(prepared[start:end], sum(sizes[start:end])))
                    for start, end in _batches(prepared, sizes, self._remote.throttle.most_tokens)
                }
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        for (start, end), task in tasks.items():
            vectors[start:end] = task.result().vectors
        return Metered(vectors, sum(task.result().tokens for task in tasks.values()))

    async def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return await self._remembered.embed(texts, self._queries, self.spec.dimensions)

    async def close(self) -> None:
        await self._remote.close()

    async def _batch(self, texts: list[str], tokens: int) -> Metered:
        async with self._slots:
            return await self._remote.embed(texts, self.spec.dimensions, tokens=tokens)

    async def _queries(self, texts: list[str]) -> NDArray[np.float32]:
        prepared = [self.spec.query_prefix + self.tokenizer.cut(text) for text in texts]
        tokens = sum(self.tokenizer.count(text) for text in prepared)
        return (await self._remote.embed(prepared, self.spec.dimensions, tokens=tokens, urgent=True)).vectors


async def open_remote(
    name: str,
    *,
    url: str | None,
    key: str | None,
    dimensions: int | None = None,
    max_tokens: int = 8191,
    query_prefix: str = "",
    passage_prefix: str = "",
    buckets: Buckets | None = None,
    requests_per_minute: float = 0,
    tokens_per_minute: float = 0,
    patience: Patience = Patience(),
) -> RemoteEncoder:
    """Asks the endpoint for one vector to learn its size. `name` is `remote:<model>`; limits of 0 are none of ours.

    Raises `EncoderUnavailable`, and `Misconfigured` without a URL or when `dimensions` is not what the endpoint gives.
    """
    if not url:
        raise Misconfigured(f"the model {name!r} needs the address of its endpoint", hint="Set SEMANTIK_REMOTE_EMBEDDING_URL.")
    model = name.removeprefix("remote:")
    endpoint = _endpoint(url)
    # Limits belong to whoever pays: one endpoint, one model, one key.
    owner = hashlib.sha256("|".join([endpoint, model, key or ""]).encode()).hexdigest()[:16]
    throttle = Throttle(
        buckets or MemoryBuckets(), f"embedding:{owner}", requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute
    )
    remote = _Remote(endpoint, key, model, throttle, patience)
    async with AsyncExitStack() as failed:
        failed.push_async_callback(remote.close)
        found = (await remote.embed(["dimensions"], dimensions, tokens=1)).vectors.shape[1]
        failed.pop_all()
    identity = "|".join([remote.endpoint, model, str(found), query_prefix, passage_prefix])
    slug = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[:40]
    spec = ModelSpec(
        name=name,
        key=f"remote-{slug}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}",
        dimensions=found,
        max_tokens=max_tokens,
        languages=(),
        query_prefix=query_prefix,
        passage_prefix=passage_prefix,
        engine="remote",
    )
    return RemoteEncoder(spec, remote)


class _Remote:
    """One endpoint: a call is one batch, tried until it is answered or patience ends."""

    def __init__(self, endpoint: str, key: str | None, model: str, throttle: Throttle, patience: Patience) -> None:
        self.endpoint = endpoint
        self._model = model
        self.throttle = throttle
        self._patience = patience
        self._host = httpx2.URL(endpoint).host
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(patience.timeout_s, connect=min(10.0, patience.timeout_s)),
            limits=httpx2.Limits(max_connections=_CONNECTIONS + 2),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            follow_redirects=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def embed(self, texts: list[str], dimensions: int | None, *, tokens: int, urgent: bool = False) -> Metered:
        """float32 [n, dimensions], L2-normalised. Raises `EncoderUnavailable`, and `RateLimited` when the turn is far away."""
        attempt = 0
        patience_s = self._patience.query_turn_s if urgent else self._patience.turn_s
        while True:
            attempt += 1
            await self.throttle.turn(tokens, patience_s=patience_s, urgent=urgent)
            used = 0
            try:
                answer = await self._once(texts, dimensions)
                used = answer.tokens or tokens
                return Metered(answer.vectors, used)
            except EncoderUnavailable as error:
                await self._before_next(attempt, error)
            finally:
                await self.throttle.settle(taken=tokens, used=used)

    async def _before_next(self, attempt: int, error: EncoderUnavailable) -> None:
        """Waits as long as is due before another try, or makes everybody wait; raises when there is to be none."""
        if not error.transient:
            raise error
        backoff = random.uniform(0, min(self._patience.most_s, self._patience.first_s * 2 ** (attempt - 1)))  # noqa: S311 - jitter, no secret
        limited, asked = error.data.get("status") == 429, error.retry_after_s
        if asked is not None:
            await self.throttle.hold(asked)
        elif limited:
            await self.throttle.hold(backoff)
        else:
            await asyncio.sleep(backoff if attempt < self._patience.attempts else 0)
        if attempt >= self._patience.attempts:
            if limited:
                wait = max(self._patience.most_s, asked if asked is not None else 0.0)
                raise RateLimited(error.detail, hint="The provider lets no more through for now.", retry_after_s=wait) from error
            raise error

    async def _once(self, texts: list[str], dimensions: int | None) -> Metered:
        try:
            # Several servers refuse an empty text; a blank one means as little.
            wanted = {"model": self._model, "input": [text or " " for text in texts], "encoding_format": "base64"}
            answer = await self._client.post(self.endpoint, json=wanted)
        except httpx2.TimeoutException as error:
            raise self._failed("does not answer in time", transient=True) from error
        except httpx2.TransportError as error:
            raise self._failed(f"cannot be reached or hung up ({type(error).__name__})", transient=True) from error
        except httpx2.DecodingError as error:
            raise self._failed("sent an answer that cannot be decoded", transient=True) from error
        if answer.status_code != 200:
            asked = retry_after_s(answer.headers.get("Retry-After"))
            transient = answer.status_code in _TRANSIENT
            raise self._failed(f"answered {answer.status_code}", transient=transient, status=answer.status_code, retry_after_s=asked)
        return Metered(self._vectors(answer, len(texts), dimensions), _tokens(answer))

    def _vectors(self, answer: httpx2.Response, count: int, dimensions: int | None) -> NDArray[np.float32]:
        try:
            rows = [(int(row["index"]), _vector(row["embedding"])) for row in answer.json()["data"]]
        except (ValueError, KeyError, TypeError, binascii.Error) as error:
            raise self._failed("sent an answer that is no list of embeddings", transient=True) from error
        if sorted(index for index, _ in rows) != list(range(count)):
            raise self._failed(f"sent {len(rows)} vectors for {count} texts", transient=True)
        size = dimensions or len(rows[0][1])
        if any(len(vector) != size for _, vector in rows) or not size:
            sizes = sorted({len(vector) for _, vector in rows})
            raise self._failed(f"sent vectors of {', '.join(map(str, sizes))} dimensions, expected {size}", transient=False)
        vectors = np.empty((count, size), dtype=np.float32)
        for index, vector in rows:
            vectors[index] = vector
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or not (lengths > 0).all():
            raise self._failed("sent vectors that are zero or not finite", transient=False)
        return np.asarray(vectors / lengths, dtype=np.float32)

    def _failed(self, what: str, *, transient: bool, status: int | None = None, retry_after_s: float | None = None) -> EncoderUnavailable:
        return EncoderUnavailable(
            f"the embedding endpoint at {self._host} {what}",
            hint=_HINTS.get(status or 0),
            transient=transient,
            status=status,
            retry_after_s=retry_after_s,
        )


def _endpoint(url: str) -> str:
    """The address of `/embeddings`, from that address, its base (`.../v1`) or a bare host."""
    parsed = httpx2.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise Misconfigured("the address of the embeddings endpoint is no http or https URL", hint="Set SEMANTIK_REMOTE_EMBEDDING_URL.")
    path = parsed.path.rstrip("/")
    if not path.endswith("/embeddings"):
        path = f"{path or '/v1'}/embeddings"
    return str(parsed.copy_with(path=path))


def _batches(texts: list[str], sizes: list[int], most_tokens: float) -> list[tuple[int, int]]:
    batches: list[tuple[int, int]] = []
    start = characters = tokens = 0
    for end, text in enumerate(texts):
        full = end - start >= _BATCH_TEXTS or characters + len(text) > _BATCH_CHARACTERS or tokens + sizes[end] > most_tokens
        if end > start and full:
            batches.append((start, end))
            start, characters, tokens = end, 0, 0
        characters += len(text)
        tokens += sizes[end]
    if start < len(texts):
        batches.append((start, len(texts)))
    return batches


def _tokens(answer: httpx2.Response) -> int:
    """What the server says it counted; 0 when it says nothing usable."""
    usage = answer.json().get("usage")
    said = (usage.get("total_tokens") or usage.get("prompt_tokens")) if isinstance(usage, dict) else None
    return said if isinstance(said, int) and not isinstance(said, bool) and said > 0 else 0


def _vector(value: Any) -> NDArray[np.float32]:
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4")
    if not isinstance(value, list):
        raise TypeError("neither a list nor base64")
    return np.array(value, dtype=np.float32).reshape(-1)
