"""Law: an export keeps the rules, and answers as `model.generate`, served or not."""

import subprocess
import sys

import numpy as np
import pytest
from models import MODELS, assert_same_samples

import tfgenai as tg
from tfgenai.core import random

# What somebody without this package does: TensorFlow Serving's own stubs.
FOREIGN_CLIENT = """
import sys
import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

address, name, seeds, labels, out = sys.argv[1:]
request = predict_pb2.PredictRequest()
request.model_spec.name = name
request.model_spec.signature_name = "generate"
seeds = np.array([int(s) for s in seeds.split(",")], np.int64)
request.inputs["seed"].CopyFrom(tf.make_tensor_proto(seeds))
if labels:
    labels = np.array([int(s) for s in labels.split(",")], np.int32)
    request.inputs["labels"].CopyFrom(tf.make_tensor_proto(labels))
stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(address))
answer = stub.Predict(request, timeout=60)
assert not any(tf.make_ndarray(answer.outputs["error"]))
np.save(out, tf.make_ndarray(answer.outputs["images"]))
assert "tfgenai" not in sys.modules
"""


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Every model, trained a little and exported, with what it should answer."""
    folder = tmp_path_factory.mktemp("served")
    models = {}
    for descriptor in MODELS:
        model = descriptor.make(ema_decay=0.9)
        model.compile(jit_compile=False)
        model.fit(descriptor.batches(), verbose=0)
        model.export_serving(
            folder / descriptor.name,
            warmup_batch_sizes=(1,),
            **descriptor.export_options,
        )
        models[descriptor.name] = model
    return folder, models


@pytest.mark.slow
def test_the_export_passes_its_verification(descriptor, exports):
    folder, models = exports
    report = tg.export.verify(folder / descriptor.name, model=models[descriptor.name])
    failed = [check for check in report.checks if not check.ok]
    assert not failed
    assert len(report.checks) > 5


@pytest.fixture(scope="module")
def server(exports):
    from tfgenai.serving import Server, Settings

    folder, _ = exports
    # The verification runs the warm-up records; here they would prepare every endpoint
    # of every model, of which one is asked.
    settings = Settings(
        settle_seconds=0.0,
        enable_model_warmup=False,
        rest_api_timeout_in_ms=120_000,
    )
    with Server(folder, port=0, rest_api_port=0, settings=settings) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_the_server_answers_as_generate(descriptor, exports, server, protocol):
    _, models = exports
    model = models[descriptor.name]
    conditions = descriptor.conditions(3)
    port = server.port if protocol == "grpc" else server.rest_port
    with tg.serving.Client(
        f"127.0.0.1:{port}", model=descriptor.name, protocol=protocol, timeout=120.0
    ) as client:
        answer = client.generate(seed=random.row_seeds(4, 3), **conditions)
    expected = descriptor.generate(model, 3, seed=4)
    assert_same_samples(answer[model.output_name], expected, atol=1e-6)


@pytest.mark.slow
def test_a_client_that_knows_only_tensorflow_gets_the_same(exports, server, tmp_path):
    _, models = exports
    descriptor = next(d for d in MODELS if d.conditional)
    seeds, conditions = random.row_seeds(9, 2), descriptor.conditions(2)
    out = tmp_path / "images.npy"
    subprocess.run(
        [
            sys.executable,
            "-c",
            FOREIGN_CLIENT,
            f"127.0.0.1:{server.port}",
            descriptor.name,
            ",".join(map(str, seeds)),
            ",".join(map(str, conditions["labels"])),
            str(out),
        ],
        check=True,
    )
    expected = models[descriptor.name].generate(2, seed=9, **conditions)
    np.testing.assert_allclose(np.load(out), expected, atol=1e-6)
