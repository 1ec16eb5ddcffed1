"""A process that knows only TensorFlow's own packages asks `tfgenai serve`."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

START_SECONDS = 120

# Imports what a client of TensorFlow Serving imports, and nothing of this package.
_SCRIPT = """
import sys

sys.path = [p for p in sys.path if p not in ("", {root!r})]
import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

channel = grpc.insecure_channel({address!r})
stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
request = predict_pb2.PredictRequest()
request.model_spec.name = "digits"
request.model_spec.signature_name = "generate"
request.inputs["seed"].CopyFrom(tf.make_tensor_proto(np.arange(16)))
request.inputs["labels"].CopyFrom(
    tf.make_tensor_proto(np.arange(16, dtype=np.int32) % 10)
)
response = stub.Predict(request, 60.0)
assert not any(name.startswith("tfgenai") for name in sys.modules)
np.save({file!r}, tf.make_ndarray(response.outputs["images"]))
"""


@pytest.fixture
def process(exports, tmp_path):
    """`tfgenai serve` as a user starts it, and what it announces."""
    shutil.copytree(exports["digits"], tmp_path / "served" / "digits" / "1")
    command = [sys.executable, "-m", "tfgenai", "serve", str(tmp_path / "served")]
    command += ["--port=0", "--rest_api_port=0", "--enable_model_warmup=false"]
    with open(tmp_path / "stderr.txt", "wb") as errors:
        running = subprocess.Popen(
            [*command, "--json"], stdout=subprocess.PIPE, stderr=errors, text=True
        )
    try:
        ready, _, _ = select.select([running.stdout], [], [], START_SECONDS)
        line = running.stdout.readline() if ready else ""
        assert line, (tmp_path / "stderr.txt").read_text()
        yield running, json.loads(line)
    finally:
        running.kill()
        running.wait()
        running.stdout.close()


@pytest.mark.slow
def test_the_same_samples_and_a_clean_end(process, tmp_path, images_of):
    running, announced = process
    assert announced["models"] == {"digits": [1]}
    file = tmp_path / "images.npy"
    script = _SCRIPT.format(root=os.getcwd(), address=announced["grpc"], file=str(file))
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(
        np.load(file), images_of(np.arange(16), np.arange(16) % 10)
    )
    running.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 60
    while running.poll() is None and time.monotonic() < deadline:
        select.select([], [], [], 0.05)
    assert running.returncode == 0
