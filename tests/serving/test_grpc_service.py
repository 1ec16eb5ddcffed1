"""gRPC, asked with the official stubs: answers and errors of TensorFlow Serving."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tfgenai.serving.wire import messages_pb2

TIMEOUT = 30.0


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.address) as made:
        yield made


@pytest.fixture(scope="module")
def stub(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def model_stub(channel):
    return model_service_pb2_grpc.ModelServiceStub(channel)


def _request(model="digits", signature="generate", version=None, **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def _good(**more):
    return _request(seed=np.array([1, 2]), labels=np.array([3, 4], np.int32), **more)


def test_predict(stub, images_of):
    response = stub.Predict(_good(), TIMEOUT)
    np.testing.assert_array_equal(
        tf.make_ndarray(response.outputs["images"]), images_of([1, 2], [3, 4])
    )
    assert list(response.outputs["error"].string_val) == [b"", b""]
    spec = response.model_spec
    assert (spec.name, spec.signature_name, spec.version.value) == (
        "digits",
        "generate",
        1,
    )
    # The real server answers in typed fields.
    assert len(response.outputs["images"].float_val) == 32
    assert not response.outputs["images"].tensor_content


def test_an_empty_signature_name_means_the_default_one(stub):
    response = stub.Predict(_good(signature=""), TIMEOUT)
    assert response.model_spec.signature_name == "serving_default"


def test_the_output_filter_is_obeyed(stub):
    request = _good()
    request.output_filter.append("error")
    assert set(stub.Predict(request, TIMEOUT).outputs) == {"error"}


def test_every_type_goes_there_and_back(stub):
    kinds = ["float32", "float64", "float16", "int8", "uint8", "int16", "uint16"]
    kinds += ["int32", "uint32", "int64", "uint64"]
    sent = {f"a_{k}": np.array([[0, 1, 200 % 128]]).astype(k) for k in kinds}
    sent["a_bool"] = np.array([[True, False]])
    sent["a_string"] = np.array([[b"\xff\x00", "é".encode()]], object)
    response = stub.Predict(_request(signature="round_trip", **sent), TIMEOUT)
    for name, array in sent.items():
        back = tf.make_ndarray(response.outputs[f"{name}_out"])
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)


def _change(request, **changes):
    for path, value in changes.items():
        setattr(request.model_spec, path, value)
    return request


def _without_spec():
    request = _good()
    request.ClearField("model_spec")
    return request


_SEED = np.array([1])
_LABELS = np.array([1], np.int32)


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        (
            _good(model="nobody"),
            "NOT_FOUND",
            "Servable not found for request: Latest(nobody)",
        ),
        (
            _good(version=7),
            "NOT_FOUND",
            "Servable not found for request: Specific(digits, 7)",
        ),
        (
            _change(_good(), version_label="stable"),
            "INVALID_ARGUMENT",
            "Unrecognized servable version label: stable",
        ),
        (
            _good(signature="nothing"),
            "FAILED_PRECONDITION",
            'Serving signature key "nothing" not found.',
        ),
        (_without_spec(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (
            _change(_good(), name=""),
            "INVALID_ARGUMENT",
            "ModelSpec has no name specified.",
        ),
        (_request(seed=_SEED), "INVALID_ARGUMENT", "Missing but required: {labels}"),
        (
            _request(seed=_SEED, labels=_LABELS, extra=_SEED),
            "INVALID_ARGUMENT",
            "Sent extra: {extra}",
        ),
        (
            _request(seed=_SEED.astype(np.float32), labels=_LABELS),
            "INVALID_ARGUMENT",
            "Expects arg[1] to be int64 but float is provided",
        ),
        (
            _request(seed=_SEED[None], labels=_LABELS),
            "INVALID_ARGUMENT",
            "A tensor of shape [?] was expected for input 'seed'",
        ),
        (
            _request(seed=np.arange(5000), labels=_LABELS),
            "RESOURCE_EXHAUSTED",
            "At most 4096 rows at a time were expected. Received: 5000",
        ),
        (
            _request(signature="fail", x=np.ones(1, np.float32)),
            "INVALID_ARGUMENT",
            "too large",
        ),
    ],
)
def test_errors_have_tensorflow_servings_codes_and_words(stub, request_, code, words):
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request_, TIMEOUT)
    assert caught.value.code().name == code
    assert words in caught.value.details()


def test_a_huge_claim_is_refused_and_takes_no_memory(stub):
    request = _good()
    request.inputs["seed"].tensor_shape.dim[0].size = 2**50
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request, TIMEOUT)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_an_oversized_message_is_refused(stub):
    request = _good()
    request.inputs["seed"].tensor_content = bytes(2**20 + 1)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request, TIMEOUT)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in caught.value.details()


def test_metadata(stub, exports):
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "linear"
    request.metadata_field.append("signature_def")
    response = stub.GetModelMetadata(request, TIMEOUT)
    assert response.model_spec.version.value == 1
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString(
        (exports["half"] / "saved_model.pb").read_bytes()
    )
    stored = saved.meta_graphs[0].signature_def
    assert signatures.signature_def.keys() == stored.keys()
    assert signatures.signature_def["serving_default"] == stored["serving_default"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [([], "at least one metadata_field"), (["x"], "Metadata field x is not supported")],
)
def test_metadata_of_unknown_kinds_is_refused(stub, fields, words):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = "linear"
    with pytest.raises(grpc.RpcError, match=words) as caught:
        stub.GetModelMetadata(request, TIMEOUT)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_status(model_stub):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "digits"
    (entry,) = model_stub.GetModelStatus(request, TIMEOUT).model_version_status
    assert (entry.version, entry.state, entry.status.error_code) == (1, 30, 0)
    for name, version, words in (
        ("x", None, "Could not find any versions of model x"),
        ("digits", 9, "Could not find version 9 of model digits"),
    ):
        request.model_spec.name = name
        if version:
            request.model_spec.version.value = version
        with pytest.raises(grpc.RpcError, match=words) as caught:
            model_stub.GetModelStatus(request, TIMEOUT)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def _check(channel, body):
    call = channel.unary_unary("/grpc.health.v1.Health/Check")
    return messages_pb2.HealthCheckResponse.FromString(call(body, timeout=TIMEOUT))


def test_health(channel):
    for service in ("", "PredictionService", "tensorflow.serving.ModelService"):
        body = messages_pb2.HealthCheckRequest(service=service).SerializeToString()
        assert _check(channel, body).status == messages_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        _check(channel, b"\x0a\x01x")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as caught:
        _check(channel, b"\x0a\x7f")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_bytes_that_are_no_message_are_refused(channel):
    for method in (
        "/tensorflow.serving.PredictionService/Predict",
        "/tensorflow.serving.PredictionService/GetModelMetadata",
        "/tensorflow.serving.ModelService/GetModelStatus",
    ):
        with pytest.raises(grpc.RpcError, match="cannot be parsed") as caught:
            channel.unary_unary(method)(b"\x0a\xff\xff", timeout=TIMEOUT)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
