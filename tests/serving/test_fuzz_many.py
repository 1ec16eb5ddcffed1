"""Ten thousand changed requests of each protocol: refused or answered, no growth."""

import http.client
import json

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
)

from tfgenai.core.random import numpy_generator
from tfgenai.serving import Client, Server, Settings
from tfgenai.serving.batching_parameters import BatchingParameters

NUM_INPUTS = 10_000
_MAX_GROWTH = 100 * 2**20

_CODES = {
    "OK",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "RESOURCE_EXHAUSTED",
    "UNIMPLEMENTED",
}
_STATUSES = {200, 400, 404, 413, 501}

_PREDICTION = "/tensorflow.serving.PredictionService/"
_MODEL = "/tensorflow.serving.ModelService/"


@pytest.fixture(scope="module")
def batching_server(served):
    settings = Settings(settle_seconds=0.0, max_request_bytes=2**20)
    with Server(
        served,
        port=0,
        rest_api_port=0,
        settings=settings,
        batching=BatchingParameters(64, num_batch_threads=2),
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_grows_and_all_is_well(batching_server, images_of):
    yield
    with Client(batching_server.address, model="digits") as client:
        images = client.generate(seed=[1], labels=[2])["images"]
    np.testing.assert_array_equal(images, images_of([1], [2]))
    page = batching_server.metrics.render().decode()
    assert "tfgenai_serving_in_flight_requests 0.0" in page
    assert 'queue_depth{model_name="digits"} 0.0' in page
    assert len(page) < 200_000
    assert batching_server.versions == {"digits": [1], "linear": [1]}


def _predictions():
    for name, signature in (("digits", "generate"), ("digits", "round_trip")):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = name
        request.model_spec.signature_name = signature
        for key, dtype, size in (("seed", 9, 8), ("labels", 3, 4)):
            tensor = request.inputs[key]
            tensor.dtype = dtype
            tensor.tensor_shape.dim.add(size=2)
            tensor.tensor_content = bytes(2 * size)
        request.output_filter.append("images")
        yield request
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "linear"
    request.model_spec.version.value = 1
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add(size=3)
    request.inputs["x"].float_val.extend([1.0, 2.0, 3.0])
    yield request


def _messages():
    """Requests of every method, as bytes by method."""
    found = [(_PREDICTION + "Predict", request) for request in _predictions()]
    spec = {"model_spec": {"name": "linear", "signature_name": "serving_default"}}
    example = {"features": {"feature": {"x": {"float_list": {"value": [1.0]}}}}}
    given = {"input": {"example_list": {"examples": [example]}}}
    task = spec | {"method_name": "tensorflow/serving/classify"}
    found += [
        (_PREDICTION + "Classify", classification_pb2.ClassificationRequest()),
        (_PREDICTION + "Regress", classification_pb2.ClassificationRequest()),
        (_PREDICTION + "MultiInference", inference_pb2.MultiInferenceRequest()),
        (
            _PREDICTION + "GetModelMetadata",
            get_model_metadata_pb2.GetModelMetadataRequest(
                metadata_field=["signature_def"]
            ),
        ),
        (_MODEL + "GetModelStatus", get_model_status_pb2.GetModelStatusRequest()),
    ]
    from google.protobuf import json_format

    for method, message in found[3:]:
        if "MultiInference" in method:
            json_format.ParseDict({"tasks": [task]} | given, message)
        elif "Get" in method:
            json_format.ParseDict(spec, message)
        else:
            json_format.ParseDict(spec | given, message)
    reload = model_management_pb2.ReloadConfigRequest()
    reload.config.model_config_list.config.add(
        name="linear", base_path="/no/such/folder", model_platform="tensorflow"
    )
    found.append((_MODEL + "HandleReloadConfigRequest", reload))
    return [(method, message.SerializeToString()) for method, message in found]


def _changed(body, generator):
    """Bytes with some of them changed, cut out, doubled, or put in."""
    data = bytearray(body)
    for _ in range(generator.integers(0, 4)):
        place = int(generator.integers(0, len(data) + 1))
        length = int(generator.integers(1, 9))
        kind = generator.integers(0, 4)
        if kind == 0:
            data[place : place + 1] = generator.bytes(1)
        elif kind == 1:
            del data[place : place + length]
        elif kind == 2:
            data[place:place] = data[place : place + length] * 3
        else:
            data[place:place] = generator.bytes(length)
    return bytes(data)


def test_protobuf(batching_server, resident_bytes):
    generator, messages = numpy_generator(1), _messages()
    seen, before = {}, None
    with grpc.insecure_channel(batching_server.address) as channel:
        calls = {method: channel.unary_unary(method) for method, _ in messages}
        for number in range(NUM_INPUTS):
            method, body = messages[number % len(messages)]
            try:
                calls[method](_changed(body, generator), timeout=60)
                code = "OK"
            except grpc.RpcError as error:
                code = error.code().name
            seen[code] = seen.get(code, 0) + 1
            if number == NUM_INPUTS // 5:
                before = resident_bytes()
    assert seen.keys() <= _CODES
    assert min(seen["OK"], seen["INVALID_ARGUMENT"]) > NUM_INPUTS / 50
    assert resident_bytes() - before < _MAX_GROWTH


_DOCUMENTS = (
    {"instances": [1.0, 2.5, -3e10]},
    {"inputs": {"x": [1.0]}, "signature_name": "serving_default"},
    {"signature_name": "generate", "instances": [{"seed": 7, "labels": 3}]},
    {"signature_name": "generate", "inputs": {"seed": [7, 8], "labels": [3, 4]}},
    {"examples": [{"x": 1.0, "y": "text", "z": {"b64": "AAAA"}}], "context": {}},
)
_PATHS = (
    "/v1/models/linear:predict",
    "/v1/models/linear/versions/1:predict",
    "/v1/models/digits:predict",
    "/v1/models/digits:predict",
    "/v1/models/linear:classify",
)


def test_rest(batching_server, resident_bytes):
    generator = numpy_generator(2)
    seen, before = {}, None
    connection = http.client.HTTPConnection(batching_server.rest_address, timeout=60)
    for number in range(NUM_INPUTS):
        kind = number % len(_PATHS)
        body = _changed(json.dumps(_DOCUMENTS[kind]).encode(), generator)
        path = _PATHS[kind]
        if number % 7 == 0:
            text = _changed(path.encode(), generator)
            path = "/" + "".join(chr(c) for c in text if 33 <= c < 127)
        connection.request("POST", path, body)
        with connection.getresponse() as answer:
            answer.read()
            seen[answer.status] = seen.get(answer.status, 0) + 1
        if number == NUM_INPUTS // 5:
            before = resident_bytes()
    connection.close()
    assert seen.keys() <= _STATUSES
    assert min(seen[200], seen[400]) > NUM_INPUTS / 50
    assert resident_bytes() - before < _MAX_GROWTH
