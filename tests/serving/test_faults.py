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
from tensorflow.core.protobuf import saved_model_pb2

from tfgenai.core.errors import ServingError
from tfgenai.serving import Client, Server, Settings
from tfgenai.serving.batching_parameters import BatchingParameters

_SETTINGS = Settings(settle_seconds=0.0, file_system_poll_wait_seconds=0)
_MEGABYTE = 2**20


@pytest.fixture
def folder(exports, tmp_path):
    """`linear/1` with slope 0.5, alone in a folder."""
    shutil.copytree(exports["half"], tmp_path / "served" / "linear" / "1")
    return tmp_path / "served"


def _start(folder, **arguments):
    return Server(folder, port=0, rest_api_port=0, settings=_SETTINGS, **arguments)


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
    with (
        _start(folder, batching=BatchingParameters(16, num_batch_threads=2)) as server,
        concurrent.futures.ThreadPoolExecutor(1) as beside,
    ):
        before = resident_bytes()
        # TensorFlow tries for ten seconds to get the memory; others are answered.
        bomb = beside.submit(_ask, server, "bomb")
        while not bomb.done():
            assert _ask(server) == [3.0]
        with pytest.raises(ServingError, match="OOM") as caught:
            bomb.result()
        assert caught.value.code == "RESOURCE_EXHAUSTED"
        assert resident_bytes() - before < 200 * _MEGABYTE


def _deep(levels):
    """Messages within messages: names of a struct's fields, one in the other."""
    inner = b""
    for _ in range(levels):
        # StructuredValue.list_value (51) of ListValue.values (1), by their numbers.
        for tag in (b"\x0a", b"\x9a\x03"):
            size, number = b"", len(inner)
            while number > 0x7F:
                size += bytes([number & 0x7F | 0x80])
                number >>= 7
            inner = tag + size + bytes([number]) + inner
    return inner


def _bombs(exports):
    graph = (exports["half"] / "saved_model.pb").read_bytes()
    large = saved_model_pb2.SavedModel.FromString(graph)
    (node,) = (n for n in large.meta_graphs[0].graph_def.node if n.op == "VarHandleOp")
    node.attr["shape"].shape.dim.add(size=2**46)
    return {
        "nested": _deep(20_000),
        "noise": b"\xff\x07" * 50_000,
        "cut": graph[: len(graph) // 2],
        "large variable": large.SerializeToString(),
    }


@pytest.mark.parametrize("kind", ["nested", "noise", "cut", "large variable"])
def test_a_version_that_is_a_bomb_is_not_served_and_the_old_one_stays(
    folder, exports, kind, resident_bytes
):
    with _start(folder) as server:
        before = resident_bytes()
        bad = shutil.copytree(exports["triple"], folder / "linear" / "2")
        (bad / "saved_model.pb").write_bytes(_bombs(exports)[kind])
        server.poll()
        assert server.versions == {"linear": [1]}
        assert _ask(server) == [3.0]
        assert resident_bytes() - before < 200 * _MEGABYTE


def test_a_graph_too_large_for_its_format_is_not_read(folder, exports, resident_bytes):
    with _start(folder) as server:
        bad = shutil.copytree(exports["triple"], folder / "linear" / "2")
        with (bad / "saved_model.pb").open("r+b") as file:
            file.truncate(2**31 + 1)  # a hole: it takes no room on the disk
        before = resident_bytes()
        server.poll()
        assert server.versions == {"linear": [1]}
        assert resident_bytes() - before < 200 * _MEGABYTE


def test_a_clock_that_jumps_holds_up_nothing(folder, exports, monkeypatch):
    now = time.time
    with _start(folder, batching=BatchingParameters(16)) as server:
        for number, days in enumerate((-400, 400, 0), start=2):
            monkeypatch.setattr(time, "time", lambda days=days: now() + 86_400 * days)
            assert _ask_over_rest(server) == [3.0 if number == 2 else 8.0]
            shutil.copytree(exports["triple"], folder / "linear" / str(number))
            for _ in range(2):
                server.poll()
            assert server.versions == {"linear": [number]}
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
