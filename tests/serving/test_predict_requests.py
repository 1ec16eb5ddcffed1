"""Predict requests: what is read is run, and answers are what they claim to be."""

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tfgenai.core.errors import ServingError
from tfgenai.serving.config import Settings, models_from_folder
from tfgenai.serving.manager import ModelManager
from tfgenai.serving.predict_requests import PredictRequests
from tfgenai.serving.request_record import RequestRecord


@pytest.fixture(scope="module")
def manager(served):
    settings = Settings(settle_seconds=0.0, file_system_poll_wait_seconds=0)
    made = ModelManager(models_from_folder(served), settings)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def requests(manager):
    return PredictRequests(manager, Settings(max_response_bytes=1000))


@pytest.fixture
def record():
    return RequestRecord("predict", "GRPC")


def _digits():
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "digits"
    request.inputs["seed"].CopyFrom(tf.make_tensor_proto(np.array([5])))
    request.inputs["labels"].CopyFrom(tf.make_tensor_proto(np.array([6], np.int32)))
    return request


def test_the_answer_is_the_message_that_protobuf_would_write(
    requests, record, images_of
):
    with requests.read(_digits().SerializeToString(), record) as call:
        body = call.answer(call.run())

    expected = predict_pb2.PredictResponse()
    expected.model_spec.name = "digits"
    expected.model_spec.signature_name = "serving_default"
    expected.model_spec.version.value = 1
    images = images_of([5], [6])
    output = expected.outputs["images"]
    output.dtype = tf.float32.as_datatype_enum
    output.tensor_shape.CopyFrom(tf.TensorShape(images.shape).as_proto())
    output.float_val.extend(images.ravel().tolist())
    error = expected.outputs["error"]
    error.dtype = tf.string.as_datatype_enum
    error.tensor_shape.dim.add(size=1)
    error.string_val.append(b"")
    assert predict_pb2.PredictResponse.FromString(body) == expected
    assert len(body) == len(expected.SerializeToString())


def test_the_record_tells_what_was_asked_for(requests, record):
    with requests.read(_digits().SerializeToString(), record) as call:
        call.run()
    found = (record.model, record.version, record.signature, record.rows)
    assert found == ("digits", 1, "serving_default", 1)
    assert call.run_seconds > 0


def test_no_servable_is_left_in_use_after_a_refusal(requests, manager, record):
    servable = manager.find("linear")
    for body in (b'{"instances": ["x"]}', b'{"instances": [1], "signature_name": "x"}'):
        with pytest.raises(ServingError):
            requests.read_json("linear", None, None, body, record)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "linear"
    with pytest.raises(ServingError):
        requests.read(request.SerializeToString(), record)
    assert servable._users == 0
    assert record.model == "linear"


def test_json_by_version(requests, manager, record):
    with requests.read_json("linear", 1, None, b'{"inputs": [2]}', record) as call:
        assert manager.find("linear")._users == 1
        assert json.loads(call.answer(call.run())) == {"outputs": [3.0]}
    assert manager.find("linear")._users == 0


def test_an_answer_that_is_too_large_is_refused(requests, record):
    body = json.dumps({"inputs": [0.0] * 300}).encode()
    with requests.read_json("linear", None, None, body, record) as call:
        outputs = call.run()
        with pytest.raises(ServingError, match=r"1000 bytes.*Received.*1200") as caught:
            call.answer(outputs)
    assert caught.value.code == "RESOURCE_EXHAUSTED"
