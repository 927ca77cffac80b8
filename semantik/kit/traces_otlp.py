"""Traces by OpenTelemetry, sent as OTLP over HTTP. Where to, which share and as whom is said by the standard OTEL_ variables."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from semantik.kit import traces
from semantik.kit.traces import Tracer, Value

# The numbers that the next span shall have.
_wanted: ContextVar[tuple[str | None, str] | None] = ContextVar("wanted_span", default=None)


class OtlpTracer(Tracer):
    """A provider of its own, not the process's global one: a library that is instrumented by itself sends nothing through it."""

    def __init__(self) -> None:
        attributes: dict[str, str | int] = {"service.instance.id": f"{socket.gethostname()}:{os.getpid()}", "process.pid": os.getpid()}
        # What is passed here would win over the environment.
        if not os.environ.get("OTEL_SERVICE_NAME") and "service.name" not in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
            attributes["service.name"] = "semantik"
        self._provider = TracerProvider(resource=Resource.create(attributes), id_generator=cast("Any", _Numbers()), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("semantik")

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, Value]) -> Iterator[traces.Span]:
        with self._under_way(name, attributes) as span:
            yield span

    @contextmanager
    def request(self, request_id: str, upstream: str | None, attributes: Mapping[str, Value]) -> Iterator[traces.Span]:
        number, parent = traces.number_of(request_id), traces.parent_of(upstream)
        attributes = {**attributes, "semantik.request_id": request_id}
        # A traceparent of the trace that the id stands for is followed; one of another trace is only linked.
        joined = parent is not None and parent.trace == number
        context = trace.set_span_in_context(_remote(*parent)) if parent is not None and joined else Context()
        links = [Link(_remote(*parent).get_span_context())] if parent is not None and not joined else []
        token = _wanted.set((None if joined else number, traces.span_of(request_id)))
        try:
            span = self._tracer.start_span("request", context, SpanKind.SERVER, dict(attributes), links)
        finally:
            _wanted.reset(token)
        with self._current(span) as made:
            yield made

    @contextmanager
    def job(self, request_id: str | None, name: str, attributes: Mapping[str, Value]) -> Iterator[traces.Span]:
        context = Context()
        if request_id is not None:
            number = traces.number_of(request_id)
            # Sampled or not: decided by the trace's number, so that a request and its jobs are kept or left together.
            sampled = self._provider.sampler.should_sample(None, int(number, 16), name).decision is Decision.RECORD_AND_SAMPLE
            context = trace.set_span_in_context(_remote(number, traces.span_of(request_id), sampled))
            attributes = {**attributes, "semantik.request_id": request_id}
        with self._under_way(name, attributes, context, SpanKind.CONSUMER) as span:
            yield span

    def close(self) -> None:
        self._provider.shutdown()

    @contextmanager
    def _under_way(
        self, name: str, attributes: Mapping[str, Value], context: Context | None = None, kind: SpanKind = SpanKind.INTERNAL
    ) -> Iterator[traces.Span]:
        with self._current(self._tracer.start_span(name, context, kind, dict(attributes))) as made:
            yield made

    @contextmanager
    def _current(self, span: trace.Span) -> Iterator[traces.Span]:
        made = _Span(span)
        try:
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                yield made
        except BaseException as error:
            made.fail(type(error).__name__)
            raise
        finally:
            span.end()


class _Span(traces.Span):
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def name(self, name: str) -> None:
        self._span.update_name(name)

    def add(self, attributes: Mapping[str, Value]) -> None:
        self._span.set_attributes(attributes)

    def fail(self, error: str) -> None:
        self._span.set_status(Status(StatusCode.ERROR, error))


class _Numbers:
    """The SDK's `IdGenerator`: random numbers, but for those that are asked for."""

    def generate_trace_id(self) -> int:
        wanted = _wanted.get()
        return int(wanted[0], 16) if wanted is not None and wanted[0] is not None else secrets.randbits(128) or 1

    def generate_span_id(self) -> int:
        wanted = _wanted.get()
        return int(wanted[1], 16) if wanted is not None else secrets.randbits(64) or 1

    def is_trace_id_random(self) -> bool:
        return False


def _remote(trace_id: str, span_id: str, sampled: bool) -> trace.NonRecordingSpan:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return trace.NonRecordingSpan(SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=flags))
