"""Calls to a Qdrant server: bounded in time, tried again with jitter, refused at once while it is known to be down.

Every call that the store makes may be repeated: points are written and removed by id or by condition. So whatever hints at the way
there (no connection, a timeout, a cut answer, 429, 5xx) is tried again within the time that is left; what the server refuses for
good (4xx) is not, and says nothing about its health.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import grpc
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from semantik.engines.vectors.base import DimensionMismatch, IndexDamaged, IndexRefused, IndexUnavailable, Space
from semantik.engines.vectors.breaker import Breaker
from semantik.kit import logs
from semantik.kit.errors import SemantikError

log = logs.get(__name__)

T = TypeVar("T")

_TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_TRANSIENT_CODES = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
_KEY_HINT = "Put the key into SEMANTIK_QDRANT_URL: https://:key@host:6333."


@dataclass(frozen=True, slots=True)
class Patience:
    """`total_s` bounds a call with all its tries; waits are uniform in [0, first_s * 2^n] (full jitter)."""

    total_s: float
    tries: int
    first_s: float


class Calls:
    """One server, seen by all calls of a store. `shown` names it to people."""

    def __init__(self, shown: str, breaker: Breaker | None = None) -> None:
        self._shown = shown
        self._breaker = breaker or Breaker()

    @property
    def refusing(self) -> bool:
        return self._breaker.open

    async def ask(self, call: Callable[[], Awaitable[T]], patience: Patience, space: Space | None = None, *, probe: bool = False) -> T:
        """The answer of `call()`. Raises `IndexUnavailable` or its `IndexRefused`, `IndexDamaged` (`reason` missing), `DimensionMismatch`.

        A `probe` goes out also while other calls are refused: it is how health is asked.
        """
        wait_s = 0.0 if probe else self._breaker.wait_s()
        if wait_s > 0:
            raise self._down("did not answer a moment ago and is given a pause", space, retry_after_s=wait_s)
        try:
            async with asyncio.timeout(patience.total_s):
                answer = await self._tried(call, patience, space)
        except TimeoutError as error:
            self._failed()
            raise self._down(f"does not answer within {patience.total_s:g} s", space) from error
        except _Transient as error:
            self._failed()
            raise error.ours from error.__cause__
        except SemantikError:
            # It answered; that it did not like the question is another matter.
            self._breaker.succeeded()
            raise
        if self._breaker.open:
            log.info("Qdrant answers again", server=self._shown)
        self._breaker.succeeded()
        return answer

    async def _tried(self, call: Callable[[], Awaitable[T]], patience: Patience, space: Space | None) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await call()
            except (ApiException, QdrantException, grpc.RpcError, ValueError) as error:
                ours, transient = self._translated(error, space)
                if not transient:
                    raise ours from error
                asked_s = float(error.retry_after_s) if isinstance(error, ResourceExhaustedResponse) else 0.0
                if attempt >= patience.tries or asked_s >= patience.total_s:
                    raise _Transient(ours) from error
            await asyncio.sleep(max(asked_s, random.uniform(0, patience.first_s * 2 ** (attempt - 1))))  # noqa: S311 - jitter, no secret

    def _failed(self) -> None:
        before = self._breaker.open
        self._breaker.failed()
        if self._breaker.open and not before:
            log.warning("Qdrant does not answer; calls are refused for a while", server=self._shown)

    def _translated(self, error: Exception, space: Space | None) -> tuple[SemantikError, bool]:
        """Our error, and whether another try may help."""
        match error:
            case ResourceExhaustedResponse():
                return self._down("asks for a pause", space, retry_after_s=float(error.retry_after_s)), True
            case UnexpectedResponse(status_code=404):
                return self._missing(space), False
            case UnexpectedResponse(status_code=401 | 403):
                return self._down("refuses the API key", space, hint=_KEY_HINT, kind=IndexRefused), False
            case UnexpectedResponse() if b"dimension" in error.content:
                return self._misfit(space), False
            case UnexpectedResponse():
                return self._down(f"answered with status {error.status_code}", space), error.status_code in _TRANSIENT_STATUS
            case ApiException():
                cause = getattr(error, "source", error)
                return self._down(f"does not answer ({type(cause).__name__})", space), True
            case grpc.RpcError():
                return self._of_grpc(error, space)
            # The client's local mode says everything by ValueError.
            case ValueError() if "not found" in str(error):
                return self._missing(space), False
            case _:
                return self._down(f"refused the call ({type(error).__name__})", space), False

    def _of_grpc(self, error: grpc.RpcError, space: Space | None) -> tuple[SemantikError, bool]:
        code = error.code() if isinstance(error, grpc.aio.AioRpcError) else None
        match code:
            case grpc.StatusCode.NOT_FOUND:
                return self._missing(space), False
            case grpc.StatusCode.UNAUTHENTICATED | grpc.StatusCode.PERMISSION_DENIED:
                return self._down("refuses the API key", space, hint=_KEY_HINT, kind=IndexRefused), False
            case _:
                says = code.name.lower() if code else type(error).__name__
                return self._down(f"answered with {says}", space), code is None or code in _TRANSIENT_CODES

    def _missing(self, space: Space | None) -> IndexDamaged:
        name = space.key if space else ""
        return IndexDamaged(f"the search index is missing: there is no index named {name}", reason="missing", space=name)

    def _misfit(self, space: Space | None) -> DimensionMismatch:
        name, size = (space.key, space.dimensions) if space else ("", 0)
        return DimensionMismatch(f"the Qdrant server {self._shown} holds index {name} with another size of vectors than {size}")

    def _down(
        self,
        why: str,
        space: Space | None,
        *,
        retry_after_s: float | None = 5.0,
        hint: str | None = None,
        kind: type[IndexUnavailable] = IndexUnavailable,
    ) -> IndexUnavailable:
        shown = space.key if space else ""
        return kind(f"the Qdrant server {self._shown} {why}", hint=hint, retry_after_s=retry_after_s, space=shown)


class _Transient(Exception):
    """The last try met what another time may not."""

    def __init__(self, ours: SemantikError) -> None:
        super().__init__(str(ours))
        self.ours = ours
