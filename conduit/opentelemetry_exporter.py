"""Spans for a collector, by OpenTelemetry's SDK. Imported where traces are on alone (conduit.traces)."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Link, SpanKind, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
Value = str | int | float | bool


class Exporter:
    """Of this process. Spans are sent by a thread of its own, and lost while the collector is away for long."""

    def __init__(self, to: SpanExporter | None = None) -> None:
        instance = {
            "service.name": os.environ.get("OTEL_SERVICE_NAME", "conduit"),
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        }
        self._provider = TracerProvider(resource=Resource.create(instance), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(to or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("conduit")

    @contextmanager
    def span(self, name: str, traceparent: str, attributes: Mapping[str, Value | None], *, is_server: bool) -> Iterator[str]:
        """Gives the span's own `traceparent`."""
        context = _context_of(traceparent)
        with self._tracer.start_as_current_span(
            name,
            context=context,
            kind=SpanKind.SERVER if is_server else SpanKind.INTERNAL,
            attributes=_said(attributes),
            links=[] if is_server else _links(context),
            # What an exception says may hold what a consumer wrote.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            carrier: dict[str, str] = {}
            _PROPAGATOR.inject(carrier)
            try:
                yield carrier.get("traceparent", "")
            except BaseException as error:
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise

    def say(self, attributes: Mapping[str, Value | None], problem: str) -> None:
        """Of the span at hand."""
        span = get_current_span()
        span.set_attributes(_said(attributes))
        if problem:
            span.set_status(StatusCode.ERROR, problem)

    def tell_life(self, name: str, traceparent: str, began: datetime, ended: datetime, attributes: Mapping[str, Value | None]) -> None:
        context = _context_of(traceparent)
        span = self._tracer.start_span(
            name, context=context, attributes=_said(attributes), links=_links(context), start_time=_nanoseconds(began)
        )
        span.end(_nanoseconds(ended))

    def flush(self) -> None:
        self._provider.force_flush()


def _context_of(traceparent: str) -> Context:
    return _PROPAGATOR.extract({"traceparent": traceparent} if traceparent else {}, context=Context())


def _links(context: Context) -> list[Link]:
    of = get_current_span(context).get_span_context()
    return [Link(of)] if of.is_valid else []


def _said(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in attributes.items() if value is not None and value != ""}


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1e9)
