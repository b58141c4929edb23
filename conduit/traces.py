"""W3C traces: what a request says of its own is kept with the task that it makes, and gone on with by the workers that do its steps.

OpenTelemetry's exporter is an option (ops/requirements-traces.txt): it is on where OTEL_EXPORTER_OTLP_ENDPOINT names a collector, with the
SDK's own settings (OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME …). Off, nothing of it is imported, and a span is
nothing.
"""

import os
import re
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings

# https://www.w3.org/TR/trace-context/: of a later version what this one has in common with it.
_WELL_FORMED = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
CHARACTERS = 55
# How long a process that ends waits for a collector to take its last spans.
END_SECONDS = 2.0
Value = str | int | float | bool
Application = Callable[[Any, Any, Any], Awaitable[None]]

_current: ContextVar[str] = ContextVar("traceparent", default="")


def parsed(sent: str) -> str:
    """A `traceparent` as it is kept; empty for what is none."""
    found = _WELL_FORMED.fullmatch(sent.strip()) if sent else None
    if found is None or (found["version"] == "00" and found["more"]):
        return ""
    return f"00-{found['trace']}-{found['span']}-{found['flags']}"


def trace_id_of(traceparent: str) -> str:
    """For logs; empty for none."""
    return traceparent[3:35]


def current() -> str:
    """The trace that the request at hand belongs to; empty: to none."""
    return _current.get()


@contextmanager
def serving(name: str, sent: str) -> Iterator[None]:
    """What a request makes meanwhile belongs to the trace that it named in `traceparent`, or, with an exporter, to one of its own."""
    traceparent = parsed(sent)
    with _span(name, traceparent, {}, is_server=True) as own, structlog.contextvars.bound_contextvars(**_logged(own or traceparent)):
        token = _current.set(own or traceparent)
        try:
            yield
        finally:
            _current.reset(token)


def traced(application: Application, name: str) -> Application:
    """An ASGI application whose POST requests are served so."""

    async def serve(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        if scope["method"] != "POST":
            await application(scope, receive, send)
            return
        sent = next((value for key, value in scope["headers"] if key == b"traceparent"), b"")
        with serving(name, sent.decode("latin-1")):
            await application(scope, receive, send)

    return serve


@contextmanager
def step(name: str, traceparent: str, attributes: Mapping[str, Value | None] | None = None) -> Iterator[None]:
    """Work on something that belongs to that trace. Hours may lie between: the span is of the trace, and linked to where that came from."""
    with structlog.contextvars.bound_contextvars(**_logged(traceparent)), _span(name, traceparent, attributes or {}, is_server=False):
        yield


def say(attributes: Mapping[str, Value | None], *, problem: str = "") -> None:
    """Of the step at hand: what is known of it by now, and why it failed, in words that hold nothing of what consumers wrote."""
    if (exporter := _exporter()) is not None:
        exporter.say(attributes, problem)


def tell_life(name: str, traceparent: str, began: datetime, ended: datetime, attributes: Mapping[str, Value | None]) -> None:
    """A span of something that is over, as a whole."""
    if (exporter := _exporter()) is not None:
        exporter.tell_life(name, traceparent, began, ended, attributes)


def end() -> None:
    """Hand over the last spans: this process ends. A collector that does not take them keeps it for two seconds."""
    if _started and (exporter := _started.get(os.getpid())):
        flushing = threading.Thread(target=exporter.flush, name="last spans", daemon=True)
        flushing.start()
        flushing.join(END_SECONDS)


def _logged(traceparent: str) -> dict[str, str]:
    return {"trace": trace_id_of(traceparent)} if traceparent else {}  # MiniMax's own ids are called trace_id


def _span(name: str, traceparent: str, attributes: Mapping[str, Value | None], *, is_server: bool) -> AbstractContextManager[str]:
    exporter = _exporter()
    return nullcontext("") if exporter is None else exporter.span(name, traceparent, attributes, is_server=is_server)


# By process: what was made before a fork belongs to the parent.
_started: dict[int, Any] = {}
_lock = threading.Lock()


def _exporter() -> Any:
    """This process's, made when it is first needed; None while traces are off."""
    if not settings.TRACES:
        return None
    if (found := _started.get(os.getpid())) is None:
        with _lock:
            if (found := _started.get(os.getpid())) is None:
                from conduit import opentelemetry_exporter

                found = _started[os.getpid()] = opentelemetry_exporter.Exporter()
    return found


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
