"""Spans of OpenTelemetry for requests, where it is installed."""

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from tfgenai.serving.request_record import RequestRecord

# Names of a request's metadata or headers that tell of the caller's own span.
CARRIER_NAMES = ("traceparent", "tracestate")


class Tracing:
    """Makes a span of each request, below the caller's if the request tells of it.

    Where spans go is up to OpenTelemetry's own configuration, for example
    `opentelemetry-instrument tfgenai serve served/`. Without the package, or without
    a configuration, nothing is done.

    Example:
        ```python
        with Tracing().request(record):
            ...
        ```
    """

    def __init__(self) -> None:
        self._propagate: Any = None
        self._trace: Any = None
        with contextlib.suppress(ImportError):
            from opentelemetry import propagate, trace

            self._propagate, self._trace = propagate, trace

    def request(self, record: RequestRecord) -> AbstractContextManager[object]:
        """A context that is the span of a request.

        Args:
            record: of the request; what it holds in the end becomes attributes.
        """
        trace = self._trace
        # Without a configuration a span that nobody sees would take longer than all
        # else that is done for a small request.
        if trace is None or isinstance(
            trace.get_tracer_provider(), trace.ProxyTracerProvider
        ):
            return contextlib.nullcontext()
        return self._span(record)

    @contextlib.contextmanager
    def _span(self, record: RequestRecord) -> Iterator[object]:
        trace = self._trace
        with trace.get_tracer("tfgenai.serving").start_as_current_span(
            f"tensorflow.serving/{record.api}",
            context=self._propagate.extract(record.carrier),
            kind=trace.SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            finally:
                if span.is_recording():
                    span.set_attributes(_attributes(record))
                    if record.code != "OK":
                        span.set_status(
                            trace.Status(trace.StatusCode.ERROR, record.message)
                        )


def _attributes(record: RequestRecord) -> Mapping[str, str | int | float]:
    return {
        "rpc.system": "grpc" if record.entrypoint == "GRPC" else "http",
        "tfgenai.model": record.model,
        "tfgenai.version": record.version,
        "tfgenai.signature": record.signature,
        "tfgenai.rows": record.rows,
        "tfgenai.run_milliseconds": 1e3 * record.run_seconds,
        "tfgenai.status": record.code,
        "tfgenai.request_id": record.request_id,
    }
