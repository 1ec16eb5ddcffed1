"""Hostile requests: each is answered with a refusal, and the server lives on."""

import http.client
import json

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfgenai.serving import Client
from tfgenai.serving.wire import messages_pb2

# What a hostile request may be answered with; anything else is a bug of the server.
_REFUSALS = {
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "RESOURCE_EXHAUSTED",
    "UNIMPLEMENTED",
}
_STATUSES = {200, 400, 404, 413, 501}

_FUZZ = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.address) as made:
        yield made


@pytest.fixture(scope="module")
def connect(server):
    return lambda: http.client.HTTPConnection(server.rest_address, timeout=30)


@pytest.fixture(autouse=True, scope="module")
def _still_alive(server, images_of):
    yield
    with Client(server.address, model="digits") as client:
        images = client.generate(seed=[1], labels=[2])["images"]
    np.testing.assert_array_equal(images, images_of([1], [2]))


def _call(channel, method, body):
    try:
        channel.unary_unary(method)(body, timeout=30)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


_METHODS = st.sampled_from(
    [
        "/tensorflow.serving.PredictionService/Predict",
        "/tensorflow.serving.PredictionService/GetModelMetadata",
        "/tensorflow.serving.PredictionService/Classify",
        "/tensorflow.serving.ModelService/GetModelStatus",
        "/tensorflow.serving.ModelService/HandleReloadConfigRequest",
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/no.such.Service/Method",
    ]
)


@_FUZZ
@given(_METHODS, st.binary(max_size=200))
def test_random_bytes_over_grpc(channel, method, body):
    assert _call(channel, method, body) in _REFUSALS | {"OK"}


def _good_request():
    request = messages_pb2.PredictRequest()
    request.model_spec.name = "digits"
    request.model_spec.signature_name = "generate"
    for name, dtype in (("seed", 9), ("labels", 3)):
        tensor = request.inputs[name]
        tensor.dtype = dtype
        tensor.tensor_shape.dim.add(size=2)
        tensor.tensor_content = bytes(2 * (8 if dtype == 9 else 4))
    return request.SerializeToString()


_GOOD = _good_request()


@_FUZZ
@given(
    st.lists(
        st.tuples(st.integers(0, len(_GOOD) - 1), st.integers(0, 255)), max_size=4
    ),
    st.integers(0, len(_GOOD)),
)
def test_a_good_request_with_wrong_bytes(channel, changes, length):
    body = bytearray(_GOOD)
    for position, byte in changes:
        body[position] = byte
    answer = _call(
        channel, "/tensorflow.serving.PredictionService/Predict", bytes(body[:length])
    )
    assert answer in _REFUSALS | {"OK"}


_SIZES = st.sampled_from([-1, 0, 1, 2, 3, 2**31, 2**40, 2**62])


@_FUZZ
@given(
    st.sampled_from(["seed", "labels", "x", ""]),
    st.integers(0, 30),
    st.lists(_SIZES, max_size=5),
    st.booleans(),
    st.binary(max_size=40),
    st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4),
)
def test_tensors_that_claim_anything(channel, name, dtype, dims, unknown, data, values):
    request = messages_pb2.PredictRequest.FromString(_GOOD)
    tensor = request.inputs[name]
    tensor.Clear()
    tensor.dtype = dtype
    for size in dims:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_shape.unknown_rank = unknown
    tensor.tensor_content = data
    tensor.int_val.extend(values)
    tensor.int64_val.extend(values)
    body = request.SerializeToString()
    answer = _call(channel, "/tensorflow.serving.PredictionService/Predict", body)
    assert answer in _REFUSALS | {"OK"}


def _post(connect, path, body):
    connection = connect()
    try:
        connection.request("POST", path, body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.just({"b64": "YQ=="}),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["seed", "labels", "b64"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@_FUZZ
@given(
    st.sampled_from(["instances", "inputs", "signature_name"]),
    _VALUES,
    st.sampled_from(["generate", "round_trip", "generate_advanced", "x", 3]),
)
def test_random_json_over_rest(connect, key, value, signature):
    document = {"signature_name": signature, "instances": [], key: value}
    if key == "inputs":
        del document["instances"]
    status, answer = _post(
        connect, "/v1/models/digits:predict", json.dumps(document).encode()
    )
    assert status in _STATUSES
    assert ("error" in answer) == (status != 200)


@_FUZZ
@given(st.binary(max_size=60))
def test_random_bytes_over_rest(connect, body):
    status, answer = _post(connect, "/v1/models/digits:predict", body)
    assert status == 400
    assert list(answer) == ["error"]


@_FUZZ
@given(st.text(st.characters(codec="latin-1"), max_size=20))
def test_random_paths(connect, tail):
    from urllib.parse import quote

    path = "/v1/models/" + quote(tail, safe="/:%.")
    status, answer = _post(connect, path, b"{}")
    assert status in _STATUSES
    assert ("error" in answer) == (status != 200)
