"""Bytes in, bytes out: answers written by hand are the messages they claim to be."""

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tfgenai.core.errors import ServingError
from tfgenai.serving.answers import Answers
from tfgenai.serving.config import Settings, models_from_folder
from tfgenai.serving.manager import ModelManager


@pytest.fixture(scope="module")
def answers(served):
    settings = Settings(settle_seconds=0.0, file_system_poll_wait_seconds=0)
    manager = ModelManager(models_from_folder(served), settings)
    manager.start()
    yield Answers(manager, settings)
    manager.stop()


def test_the_answer_is_the_message_that_protobuf_would_write(answers, images_of):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "digits"
    request.inputs["seed"].CopyFrom(tf.make_tensor_proto(np.array([5])))
    request.inputs["labels"].CopyFrom(tf.make_tensor_proto(np.array([6], np.int32)))
    body = answers.predict(request.SerializeToString())

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


def test_no_servable_is_left_in_use_after_a_refusal(answers):
    servable = answers._manager.find("linear")
    for body in (b'{"instances": ["x"]}', b'{"instances": [1], "signature_name": "x"}'):
        with pytest.raises(ServingError):
            answers.predict_json("linear", None, None, body)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "linear"
    with pytest.raises(ServingError):
        answers.predict(request.SerializeToString())
    assert servable._users == 0


def test_json_by_version_and_serving_state(answers):
    body = answers.predict_json("linear", 1, None, b'{"inputs": [2]}')
    assert json.loads(body) == {"outputs": [3.0]}
    assert answers.is_serving
