"""What a request must hold; the words are TensorFlow Serving's where it has them."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from tfgenai.core.errors import ServingError
from tfgenai.serving.codes import OversizedError
from tfgenai.serving.signature import ServedSignature, unknown_signature

_LIMITS = {"max_bytes": 2**20, "max_rows": 100}


def _info(name, dtype, shape):
    spec = tf.TensorShape(shape).as_proto()
    return meta_graph_pb2.TensorInfo(
        name=f"{name}:0", dtype=tf.as_dtype(dtype).as_datatype_enum, tensor_shape=spec
    )


@pytest.fixture
def definition():
    made = meta_graph_pb2.SignatureDef()
    made.inputs["seed"].CopyFrom(_info("seed", "int64", [None]))
    made.inputs["image"].CopyFrom(_info("image", "float32", [None, 2]))
    made.outputs["y"].CopyFrom(_info("y", "float32", [None]))
    made.outputs["error"].CopyFrom(_info("error", "string", [None]))
    return made


@pytest.fixture
def signature(definition):
    return ServedSignature.from_proto("generate", definition)


def _request(**arrays):
    return {name: tf.make_tensor_proto(value) for name, value in arrays.items()}


def test_a_good_request_becomes_arrays(signature):
    arrays = signature.read_protos(
        _request(seed=np.arange(3), image=np.ones((3, 2), np.float32)), **_LIMITS
    )
    np.testing.assert_array_equal(arrays["seed"], [0, 1, 2])
    assert arrays["image"].shape == (3, 2)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (
            {"seed": np.arange(2)},
            "input size does not match signature: 1!=2 len({seed}) != "
            "len({image,seed}). Sent extra: {}. Missing but required: {image}.",
        ),
        (
            {"seed": np.arange(2), "imag": np.ones((2, 2), np.float32)},
            "Sent extra: {imag}. Missing but required: {image}.",
        ),
        (
            {"seed": np.ones(2, np.float32), "image": np.ones((2, 2), np.float32)},
            "Expects arg[1] to be int64 but float is provided",
        ),
        (
            {"seed": np.arange(2), "image": np.ones((2, 3), np.float32)},
            "A tensor of shape [?, 2] was expected for input 'image'",
        ),
        (
            {"seed": np.int64(2), "image": np.ones((2, 2), np.float32)},
            "Received: shape=[]",
        ),
    ],
)
def test_a_request_that_does_not_fit_is_refused(signature, request_, words):
    with pytest.raises(ServingError) as caught:
        signature.read_protos(_request(**request_), **_LIMITS)
    assert words in str(caught.value)
    assert caught.value.code == "INVALID_ARGUMENT"


def test_too_many_rows_are_refused_before_they_are_made(signature):
    request = _request(seed=np.arange(2), image=np.ones((2, 2), np.float32))
    request["seed"].tensor_shape.dim[0].size = 2**60
    with pytest.raises(OversizedError, match="At most 100 rows"):
        signature.read_protos(request, **_LIMITS)
    with pytest.raises(OversizedError, match="At most 100 rows"):
        signature.check_arrays({"seed": np.arange(101)}, max_rows=100)


def test_defaults_of_the_export_fill_in(definition):
    definition.defaults["image"].CopyFrom(
        tf.make_tensor_proto(np.zeros((1, 2), np.float32))
    )
    signature = ServedSignature.from_proto("generate", definition)
    arrays = signature.read_protos(_request(seed=np.arange(1)), **_LIMITS)
    np.testing.assert_array_equal(arrays["image"], [[0.0, 0.0]])


def test_outputs_are_chosen(signature):
    assert signature.choose_outputs([]) == ("error", "y")
    assert signature.choose_outputs(["y"]) == ("y",)
    with pytest.raises(ServingError, match=r"output tensor alias not found.*: z "):
        signature.choose_outputs(["z"])
    with pytest.raises(ServingError, match="duplicate output tensor alias: y"):
        signature.choose_outputs(["y", "y"])


def test_a_rank_that_nobody_knows_takes_any(definition):
    definition.inputs["image"].tensor_shape.CopyFrom(tf.TensorShape(None).as_proto())
    signature = ServedSignature.from_proto("generate", definition)
    request = _request(seed=np.arange(1), image=np.ones((5, 6, 7), np.float32))
    assert signature.read_protos(request, **_LIMITS)["image"].shape == (5, 6, 7)


def test_a_type_without_a_place_on_the_wire_cannot_be_served(definition):
    definition.inputs["image"].dtype = tf.bfloat16.as_datatype_enum
    with pytest.raises(ServingError, match="dtype=14"):
        ServedSignature.from_proto("generate", definition)


def test_an_unknown_signature_is_a_failed_precondition():
    error = unknown_signature("x", ["b", "a"])
    assert error.code == "FAILED_PRECONDITION"
    assert str(error).startswith('Serving signature key "x" not found.')
