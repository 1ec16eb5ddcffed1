"""What goes wrong around a server: bombs, a full disk, a clock that jumps.

Slow and half-open clients are in test_slow_clients.py, versions that are torn, half
copied or gone in test_manager.py, malformed requests in test_fuzz.py.
"""

import concurrent.futures
import json
import shutil
import time
import urllib.request

import pytest
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from tfgenai.core.errors import ServingError
from tfgenai.serving import Client, Server, Settings
from tfgenai.serving.batching_parameters import BatchingParameters
from tfgenai.serving.varints import packed_field

_SETTINGS = Settings(settle_seconds=0.0, file_system_poll_wait_seconds=0)
_MEGABYTE = 2**20


def _start(folder, **arguments):
    arguments = {"settings": _SETTINGS} | arguments
    return Server(folder, port=0, rest_api_port=0, **arguments)


def _ask(server, model="linear", **options):
    with Client(server.address, model=model, retries=0) as client:
        return client.predict("serving_default", x=[2.0], **options)["y"].tolist()


def _ask_over_rest(server):
    # gRPC has a clock of its own, which cannot be set from here.
    body = json.dumps({"instances": [2.0]}).encode()
    url = f"http://{server.rest_address}/v1/models/linear:predict"
    with urllib.request.urlopen(url, body, timeout=60) as answer:
        return json.load(answer)["predictions"]


def _save_bomb(path):
    """A few bytes that ask for more memory than a processor can address."""
    module = tf.Module()

    @tf.function
    def call(x):
        size = tf.cast(x[0], tf.int64) * 2**45
        return {"y": x + tf.reduce_sum(tf.fill([size], 1.0))}

    spec = tf.TensorSpec((None,), tf.float32, name="x")
    tf.saved_model.save(module, str(path), call.get_concrete_function(spec))


def test_a_graph_that_wants_all_memory_fails_its_own_request(folder, resident_bytes):
    _save_bomb(folder / "bomb" / "1")
    batching = BatchingParameters(16, num_batch_threads=2)
    with (
        _start(folder, batching=batching) as server,
        concurrent.futures.ThreadPoolExecutor(1) as beside,
    ):
        before = resident_bytes()
        # TensorFlow tries for ten seconds to get the memory, and what its threads are
        # asked for meanwhile may wait as long; but nothing else fails.
        bomb = beside.submit(_ask, server, "bomb")
        assert _ask(server) == [3.0]
        with pytest.raises(ServingError, match="OOM") as caught:
            bomb.result()
        assert caught.value.code == "RESOURCE_EXHAUSTED"
        assert _ask(server, timeout=5.0) == [3.0]
        assert resident_bytes() - before < 200 * _MEGABYTE


def _deep(levels):
    """A function's input that is a list in a list in a list, and so on."""
    value = b""
    for _ in range(levels):
        # StructuredValue.list_value of ListValue.values
        value = packed_field(51, packed_field(1, value))
    # SavedModel.meta_graphs, its object_graph_def, concrete_functions, value, inputs
    for number in (3, 2, 2, 7, 2):
        value = packed_field(number, value)
    return value


def _bomb(kind, graph):
    if kind == "nested":
        bomb = _deep(2000)
        with pytest.raises(DecodeError):
            saved_model_pb2.SavedModel.FromString(bomb)
        return bomb
    if kind == "noise":
        return b"\xff\x07" * 50_000
    if kind == "cut":
        return graph[: len(graph) // 2]
    large = saved_model_pb2.SavedModel.FromString(graph)
    (node,) = (n for n in large.meta_graphs[0].graph_def.node if n.op == "VarHandleOp")
    node.attr["shape"].shape.dim.add(size=2**46)
    return large.SerializeToString()


@pytest.mark.parametrize("kind", ["nested", "noise", "cut", "large variable"])
def test_a_version_that_is_a_bomb_is_not_served_and_the_old_one_stays(
    folder, exports, kind, resident_bytes
):
    with _start(folder) as server:
        before = resident_bytes()
        bad = shutil.copytree(exports["triple"], folder / "linear" / "2")
        file = bad / "saved_model.pb"
        file.write_bytes(_bomb(kind, file.read_bytes()))
        server.poll()
        assert server.versions == {"linear": [1]}
        assert _ask(server) == [3.0]
        assert resident_bytes() - before < 200 * _MEGABYTE


def test_a_graph_too_large_for_its_format_is_not_read(folder, exports, caplog):
    with _start(folder) as server:
        bad = shutil.copytree(exports["triple"], folder / "linear" / "2")
        with (bad / "saved_model.pb").open("r+b") as file:
            file.truncate(2**31)  # a hole: it takes no room on the disk
        server.poll()
        assert server.versions == {"linear": [1]}
    assert "which no graph can have" in caplog.text


def test_a_clock_that_jumps_holds_up_nothing(folder, exports, monkeypatch):
    now = time.time
    # A version must have been quiet for a moment, by a clock that says it is of the
    # future, of long ago, or of now.
    settings = Settings(settle_seconds=0.2, file_system_poll_wait_seconds=0)
    batching = BatchingParameters(16)
    with _start(folder, settings=settings, batching=batching) as server:
        for number, days in enumerate((-400, 400, 0), start=2):
            monkeypatch.setattr(time, "time", lambda days=days: now() + 86_400 * days)
            assert _ask_over_rest(server) == [3.0 if number == 2 else 8.0]
            shutil.copytree(exports["triple"], folder / "linear" / str(number))
            limit = time.monotonic() + 60
            while server.versions != {"linear": [number]}:
                assert time.monotonic() < limit
                server.poll()
            assert _ask_over_rest(server) == [8.0]


def test_a_log_on_a_full_disk_costs_no_answer(served, start_with_full_log):
    running = start_with_full_log(str(served), "--log_requests")
    body = json.dumps({"instances": [2.0]}).encode()
    url = f"http://{running.rest}/v1/models/linear:predict"
    for _ in range(20):
        with urllib.request.urlopen(url, body, timeout=60) as answer:
            assert json.load(answer) == {"predictions": [3.0]}
        with Client(running.grpc, model="linear", retries=0) as client:
            assert client.predict("serving_default", x=[4.0])["y"].tolist() == [4.0]
    assert running.process.poll() is None


@pytest.fixture
def start_with_full_log(start):
    """Starts `tfgenai serve` with a log that takes no byte more."""
    with open("/dev/full", "w") as full:
        yield lambda *flags: start(*flags, stderr=full)
