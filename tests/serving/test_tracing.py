"""Spans of requests: below the caller's, with what was asked and how it went."""

import builtins
import json
import urllib.error
import urllib.request

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tfgenai.serving.request_record import RequestRecord
from tfgenai.serving.tracing import Tracing
from tfgenai.serving.wire import messages_pb2

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01"}


@pytest.fixture
def spans(monkeypatch):
    """The spans that are made in the test."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    return exporter.get_finished_spans


def _check(span, *, code):
    assert span.name == "tensorflow.serving/predict"
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == SPAN
    assert span.attributes["tfgenai.status"] == code
    assert span.status.is_ok == (code == "OK")


def test_over_grpc(server, spans):
    request = messages_pb2.PredictRequest()
    request.model_spec.name = "linear"
    request.inputs["x"].dtype = 1
    request.inputs["x"].float_val.append(2.0)
    request.inputs["x"].tensor_shape.dim.add(size=1)
    with grpc.insecure_channel(server.address) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        call(request.SerializeToString(), timeout=60, metadata=list(PARENT.items()))
    (span,) = spans()
    assert span.attributes["tfgenai.model"] == "linear"
    assert span.attributes["tfgenai.rows"] == 1
    assert span.attributes["tfgenai.run_milliseconds"] > 0
    assert span.kind is trace.SpanKind.SERVER
    _check(span, code="OK")


def test_over_rest(server, spans):
    url = f"http://{server.rest_address}/v1/models/linear:predict"
    for document in ({"instances": [1.0]}, {"instances": ["x"]}):
        request = urllib.request.Request(url, json.dumps(document).encode(), PARENT)
        try:
            urllib.request.urlopen(request, timeout=60).close()
        except urllib.error.HTTPError as error:
            error.close()
    first, second = spans()
    _check(first, code="OK")
    _check(second, code="INVALID_ARGUMENT")
    assert "is not of expected type" in second.status.description


def test_without_the_package_nothing_is_done(monkeypatch):
    load = builtins.__import__

    def refuse(name, *given, **more):
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return load(name, *given, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with Tracing().request(RequestRecord("predict", "GRPC")) as span:
        assert span is None


def test_without_a_configuration_there_is_no_span(monkeypatch):
    provider = trace.ProxyTracerProvider()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    with Tracing().request(RequestRecord("predict", "GRPC")) as span:
        assert span is None
