"""Spans from a request to its jobs and to the engines both use. Off, which is the default, a span is nothing and costs nothing.

    with traces.span("vectors query", {"vectors.space": space.key}):
        ...

A request's trace has its request id for a number: the id itself where it is a UUID, its hash otherwise. So a job, whose row
keeps the request id, joins the trace of the request that asked for it, days later and in any process, and a log line leads
to its trace. Attributes are ids and counts, never a text, a query or a key.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, Protocol

from semantik.kit import registry

BACKENDS = {"otlp": "semantik.kit.traces_otlp:OtlpTracer"}

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_NUMBER = re.compile(r"[0-9a-f]{32}")

Value = str | int | float | bool


class Span(Protocol):
    def name(self, name: str) -> None:
        """Names the span anew: of a request the route is known only at its end."""

    def add(self, attributes: Mapping[str, Value]) -> None: ...

    def fail(self, error: str) -> None: ...


class Tracer(Protocol):
    """What makes and sends spans. Errors that leave a span are marked by their type; their text may hold what users wrote."""

    def span(self, name: str, attributes: Mapping[str, Value]) -> AbstractContextManager[Span]: ...

    def request(self, request_id: str, upstream: str | None, attributes: Mapping[str, Value]) -> AbstractContextManager[Span]: ...

    def job(self, request_id: str | None, name: str, attributes: Mapping[str, Value]) -> AbstractContextManager[Span]: ...

    def close(self) -> None:
        """Sends what is left, within seconds."""


class _Nothing:
    def name(self, name: str) -> None:
        pass

    def add(self, attributes: Mapping[str, Value]) -> None:
        pass

    def fail(self, error: str) -> None:
        pass


_NONE: Mapping[str, Value] = {}
_OFF: AbstractContextManager[Span] = nullcontext(_Nothing())
_tracer: Tracer | None = None


def start(backend: str) -> None:
    """From now on this process makes spans. Raises `Misconfigured` where the library is missing (extra: otel)."""
    global _tracer
    if _tracer is None:
        _tracer = registry.load("traces", BACKENDS, backend)()


def stop() -> None:
    global _tracer
    if _tracer is not None:
        _tracer.close()
    _tracer = None


def span(name: str, attributes: Mapping[str, Value] = _NONE) -> AbstractContextManager[Span]:
    return _OFF if _tracer is None else _tracer.span(name, attributes)


def request(request_id: str, upstream: str | None, attributes: Mapping[str, Value]) -> AbstractContextManager[Span]:
    """The span of an HTTP request. `upstream`: its traceparent header."""
    return _OFF if _tracer is None else _tracer.request(request_id, upstream, attributes)


def job(request_id: str | None, name: str, attributes: Mapping[str, Value]) -> AbstractContextManager[Span]:
    """The span of one attempt of a job, in the trace of the request that asked for it."""
    return _OFF if _tracer is None else _tracer.job(request_id, name, attributes)


class Parent(NamedTuple):
    """Hexadecimal digits of a trace and of a span in it, and whether the spans of that trace are kept."""

    trace: str
    span: str
    sampled: bool


def parent_of(traceparent: str | None) -> Parent | None:
    """What a traceparent header says (https://www.w3.org/TR/trace-context/); None where it is none."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return None
    return Parent(found[1], found[2], bool(int(found[3], 16) & 1))


def number_of(request_id: str) -> str:
    """The 32 hexadecimal digits of the trace of a request."""
    digits = request_id.replace("-", "").lower()
    return digits if _NUMBER.fullmatch(digits) and int(digits, 16) else hashlib.sha256(request_id.encode()).hexdigest()[:32]


def span_of(request_id: str) -> str:
    """The 16 hexadecimal digits of a request's own span."""
    return hashlib.sha256(b"span of " + request_id.encode()).hexdigest()[:16]
