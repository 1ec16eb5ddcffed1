"""A server to hold against TensorFlow Serving's documentation: ours, or theirs.

The suite starts `tfgenai serve` as a user would. To run it against TensorFlow Serving:

    python tests/serving/conformance/half_plus.py /tmp/conformance
    tensorflow_model_server --port=8500 --rest_api_port=8501 \
        --model_config_file=/tmp/conformance/models.config \
        --enable_batching --batching_parameters_file=/tmp/conformance/batching.config
    TFGENAI_SERVING_GRPC=127.0.0.1:8500 TFGENAI_SERVING_REST=127.0.0.1:8501 \
        TFGENAI_SERVING_MODELS=/tmp/conformance pytest tests/serving/conformance
"""

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

sys.path.insert(0, str(Path(__file__).parent))

import half_plus

TIMEOUT = 60
_GRPC, _REST = "TFGENAI_SERVING_GRPC", "TFGENAI_SERVING_REST"
_MODELS = "TFGENAI_SERVING_MODELS"


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """The models' folder."""
    given = os.environ.get(_MODELS)
    return Path(given) if given else half_plus.write(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def target(folder, start):
    """The server that is looked at, with batching, as `grpc` and `rest`."""
    if os.environ.get(_GRPC):
        return SimpleNamespace(grpc=os.environ[_GRPC], rest=os.environ[_REST])
    return start(
        f"--model_config_file={folder}/models.config",
        "--enable_batching",
        f"--batching_parameters_file={folder}/batching.config",
    )


@pytest.fixture(scope="session")
def channel(target):
    """A channel to the server."""
    with grpc.insecure_channel(target.grpc) as made:
        yield made


@pytest.fixture(scope="session")
def stub(channel):
    """The official stub of PredictionService."""
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="session")
def model_stub(channel):
    """The official stub of ModelService."""
    return model_service_pb2_grpc.ModelServiceStub(channel)


@pytest.fixture(scope="session")
def ask(target):
    """Sends a REST request; returns the status and the JSON of the answer."""

    def send(method, path, document=None):
        data = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(
            f"http://{target.rest}{path}", data=data, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    return send


@pytest.fixture
def request_of():
    """Makes the `PredictRequest` of some values of x."""

    def make(*values, name="half_plus_two", **spec):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = name
        for key, value in spec.items():
            if key == "version":
                request.model_spec.version.value = value
            else:
                setattr(request.model_spec, key, value)
        request.inputs["x"].dtype = 1
        request.inputs["x"].float_val.extend(values)
        request.inputs["x"].tensor_shape.dim.add(size=len(values))
        return request

    return make


@pytest.fixture
def refused():
    """Calls what must be refused; returns the code's name and the words."""

    def call(method, request):
        with pytest.raises(grpc.RpcError) as caught:
            method(request, TIMEOUT)
        return caught.value.code().name, caught.value.details()

    return call
