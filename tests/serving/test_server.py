"""A server's life: start, reload under load, drain, and starts that are refused."""

import concurrent.futures
import re
import shutil
import socket
import sys
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest

from tfgenai.core.errors import ConfigError, ServingError, UnavailableError
from tfgenai.core.random import numpy_generator
from tfgenai.serving import Client, ModelConfig, Server, Settings
from tfgenai.serving.batching_parameters import BatchingParameters
from tfgenai.serving.config import models_from_file
from tfgenai.serving.output_scores import write_reference
from tfgenai.serving.servable import Servable

_SETTINGS = Settings(settle_seconds=0.0, file_system_poll_wait_seconds=0)


def _start(folder, **arguments):
    arguments = {"port": 0, "rest_api_port": 0, "settings": _SETTINGS} | arguments
    return Server(folder, **arguments)


def _ask(client, x=2.0):
    return client.predict("serving_default", x=[x])["y"].item()


@pytest.mark.parametrize("batching", [None, BatchingParameters(16)], ids=str)
def test_a_new_version_takes_over_without_a_lost_request(folder, exports, batching):
    """Four clients of both protocols ask all the while; slope 0.5, then slope 3."""
    answers, failures = set(), []
    seen = threading.Event()
    stop = threading.Event()

    def hammer(address, protocol):
        with Client(address, model="linear", protocol=protocol) as client:
            while not stop.is_set():
                try:
                    answer = _ask(client)
                except ServingError as error:
                    failures.append(error)
                    stop.set()
                else:
                    answers.add(answer)
                    if answer == 8.0:
                        seen.set()

    with _start(folder, batching=batching) as server:
        threads = [
            threading.Thread(target=hammer, args=(address, protocol))
            for address, protocol in (
                (server.address, "grpc"),
                (server.rest_address, "rest"),
            )
            * 2
        ]
        for thread in threads:
            thread.start()
        for version in (2, 3, 4):
            name = "triple" if version == 4 else "half"
            shutil.copytree(exports[name], folder / "linear" / str(version))
            server.poll()
        assert server.versions == {"linear": [4]}
        assert seen.wait(30)
        stop.set()
        for thread in threads:
            thread.join()
        with Client(server.address, model="linear") as client:
            states = [(s.version, s.state) for s in client.status()]
        assert states == [(4, "AVAILABLE"), (3, "END"), (2, "END"), (1, "END")]
    assert failures == []
    assert answers == {3.0, 8.0}


def test_versions_side_by_side_and_by_label(folder, exports):
    from tfgenai.serving import VersionPolicy

    shutil.copytree(exports["triple"], folder / "linear" / "2")
    model = ModelConfig(
        "linear",
        str(folder / "linear"),
        VersionPolicy("all"),
        {"stable": 1, "canary": 2},
    )
    with _start([model]) as server:
        for protocol in ("grpc", "rest"):
            address = server.address if protocol == "grpc" else server.rest_address
            asked = [{"version": 1}, {"version": 2}, {"label": "stable"}]
            asked += [{"label": "canary"}, {}]
            answers = []
            for which in asked:
                with Client(
                    address, model="linear", protocol=protocol, **which
                ) as client:
                    answers.append(_ask(client))
            assert answers == [3.0, 8.0, 3.0, 8.0, 8.0]


def test_stopping_lets_a_request_in_flight_finish(folder, monkeypatch):
    running, go_on = threading.Event(), threading.Event()
    run = Servable.run

    def slow(self, *arguments):
        running.set()
        go_on.wait(30)
        return run(self, *arguments)

    server = _start(folder).start()
    answers = {}

    def ask(protocol, address):
        with Client(address, model="linear", protocol=protocol) as client:
            client.metadata()
            answers[protocol] = _ask(client)

    monkeypatch.setattr(Servable, "run", slow)
    address = server.address
    threads = [
        threading.Thread(target=ask, args=("grpc", address)),
        threading.Thread(target=ask, args=("rest", server.rest_address)),
    ]
    for thread in threads:
        running.clear()
        thread.start()
        assert running.wait(30)
    threads.append(threading.Thread(target=server.stop))
    threads[-1].start()
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert answers == {"grpc": 3.0, "rest": 3.0}
    assert server.wait(0)
    with (
        Client(address, model="linear", timeout=5.0) as client,
        pytest.raises(UnavailableError),
    ):
        client.status()


def test_a_slow_request_is_given_up_by_the_client_and_by_rest(folder, monkeypatch):
    go_on = threading.Event()

    def hang(self, *arguments):
        go_on.wait(30)
        raise ServingError("late", code="ABORTED")

    monkeypatch.setattr(Servable, "run", hang)
    settings = Settings(
        settle_seconds=0.0, file_system_poll_wait_seconds=0, rest_api_timeout_in_ms=50
    )
    with _start(folder, settings=settings) as server:
        with Client(server.address, model="linear") as client:
            client.metadata()
            with pytest.raises(UnavailableError) as caught:
                client.predict("serving_default", x=[1.0], timeout=0.05)
            assert caught.value.code == "DEADLINE_EXCEEDED"
        with (
            Client(server.rest_address, model="linear", protocol="rest") as client,
            pytest.raises(UnavailableError, match="Timed out") as caught,
        ):
            _ask(client)
        assert caught.value.code == "DEADLINE_EXCEEDED"
        go_on.set()


def test_without_rest_and_without_health(folder):
    settings = Settings(settle_seconds=0.0, enable_grpc_healthcheck_service=False)
    with _start(folder, rest_api_port=-1, settings=settings) as server:
        assert server.rest_port is None
        assert server.rest_address is None
        import grpc

        with grpc.insecure_channel(server.address) as channel:
            call = channel.unary_unary("/grpc.health.v1.Health/Check")
            with pytest.raises(grpc.RpcError) as caught:
                call(b"", timeout=30)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_port_in_use_is_named(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for name in ("port", "rest_api_port"):
            with pytest.raises(ConfigError, match=f"{name}={port}.*0 takes a free one"):
                _start(folder, **{name: port}).start()


def test_two_servers_cannot_share_a_port(folder):
    with (
        _start(folder) as first,
        pytest.raises(ConfigError, match=f"port={first.port}"),
    ):
        _start(folder, port=first.port).start()


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        ({"port": 70_000}, "port=70000"),
        ({"port": -1}, "port=-1"),
        ({"rest_api_port": 70_000}, "rest_api_port=70000"),
        ({"port": 1234, "rest_api_port": 1234}, "Two ports were expected"),
    ],
)
def test_ports_that_make_no_sense(folder, ports, words):
    with pytest.raises(ConfigError, match=words):
        _start(folder, **ports)


def test_a_truncated_export_is_refused_at_the_start(folder):
    graph = folder / "linear" / "1" / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:100])
    with pytest.raises(ServingError, match="version 1: A whole SavedModel"):
        _start(folder).start()


def test_ports_are_known_only_after_the_start(folder):
    with pytest.raises(ConfigError, match="Call start"):
        _ = _start(folder).port


def test_it_starts_on_fresh_exports_once_they_are_settled(folder):
    """The default waits for a second of quiet; the folder was copied just now."""
    settings = Settings(settle_seconds=0.3, file_system_poll_wait_seconds=0)
    with _start(folder, settings=settings) as server:
        assert server.versions == {"linear": [1]}


def test_stopping_twice_and_never_having_started(folder):
    server = _start(folder)
    server.stop()
    server.stop()
    assert server.wait(0)


def test_many_rows_arrive_in_order(server, images_of):
    with Client(server.address, model="digits") as client:
        seeds = np.arange(4096)
        images = client.generate(seed=seeds, labels=seeds % 10)["images"]
    np.testing.assert_array_equal(images, images_of(seeds, seeds % 10))


def test_answers_may_be_larger_than_grpcs_usual_limit(server):
    """16 MB, where a client takes 4 MiB unless told otherwise."""
    x = np.arange(4096, dtype=np.float32)
    with Client(server.address, model="digits") as client:
        y = client.predict("wide", x=x)["y"]
    assert y.shape == (4096, 1000)
    np.testing.assert_array_equal(y[:, 999], x)


def _page(server, path):
    url = f"http://{server.rest_address}{path}"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_what_was_asked_is_counted(folder):
    path = "/monitoring/prometheus/metrics"
    with _start(folder, batching=BatchingParameters(4)) as server:
        for protocol, address in (
            ("grpc", server.address),
            ("rest", server.rest_address),
        ):
            with Client(address, model="linear", protocol=protocol) as client:
                _ask(client)
        status, page = _page(server, path)
    assert status == 200
    assert ':request_count{model_name="linear",status="OK"} 2.0' in page
    for entrypoint in ("GRPC", "REST"):
        labels = f'{{API="predict",entrypoint="{entrypoint}",model_name="linear"}}'
        assert f":request_latency_count{labels} 1.0" in page
    assert 'tfgenai_serving_batch_size_count{model_name="linear"} 2.0' in page
    folder_path = folder / "linear" / "1"
    labels = f'{{model_path="{folder_path}",status="success"}}'
    assert f":load_attempt_count{labels} 1.0" in page
    with _start(folder, metrics_path=None) as server:
        assert _page(server, path)[0] == 404


@pytest.mark.parametrize(("is_429", "status"), [(False, 503), (True, 429)])
def test_a_full_queue_over_rest(folder, monkeypatch, is_429, status):
    started, go = threading.Event(), threading.Event()
    run = Servable.run

    def hold(*given, **more):
        started.set()
        go.wait(60)
        return run(*given, **more)

    monkeypatch.setattr(Servable, "run", hold)
    settings = Settings(settle_seconds=0.0, rest_overload_429=is_429)
    parameters = BatchingParameters(1, max_enqueued_batches=1, num_batch_threads=1)
    with _start(folder, settings=settings, batching=parameters) as server:
        url = f"http://{server.rest_address}/v1/models/linear:predict"

        def ask():
            try:
                return urllib.request.urlopen(url, b'{"inputs": [1]}', timeout=60)
            except urllib.error.HTTPError as error:
                return error

        with concurrent.futures.ThreadPoolExecutor(3) as threads:
            first = threads.submit(ask)
            assert started.wait(60)
            others = [threads.submit(ask) for _ in range(2)]
            done, _ = concurrent.futures.wait(
                others, 60, concurrent.futures.FIRST_COMPLETED
            )
            with done.pop().result() as refused:
                assert refused.status == status
                assert ("Retry-After" in refused.headers) == is_429
            go.set()
            answers = sorted(each.result().status for each in (first, *others))
    assert answers == [200, 200, status]


def test_the_file_of_models_is_read_again(folder, exports, tmp_path):
    shutil.copytree(exports["triple"], tmp_path / "other" / "1")
    file = tmp_path / "models.config"
    entry = 'config {{ name: "{}" base_path: "{}" model_platform: "tensorflow" }}'

    def write(**models):
        entries = " ".join(entry.format(*each) for each in models.items())
        file.write_text(f"model_config_list {{ {entries} }}")

    write(linear=folder / "linear")
    settings = Settings(settle_seconds=0.0, model_config_file_poll_wait_seconds=3600)
    with _start(
        models_from_file(file), settings=settings, model_config_file=file
    ) as server:
        assert server.versions == {"linear": [1]}
        write(linear=folder / "linear", other=tmp_path / "other")
        server._config_poller.poll()
        assert server.versions == {"linear": [1], "other": [1]}


def test_outputs_are_held_against_the_reference(exports, tmp_path, images_of):
    """The toy generator answers whiter pictures for larger labels."""
    version = tmp_path / "digits" / "1"
    shutil.copytree(exports["digits"], version)
    generator = numpy_generator(0)

    def ask(client, labels):
        for start in range(0, 128, 16):
            seeds = generator.integers(0, 2**60, 16)
            client.generate(seed=seeds, labels=labels[start : start + 16])

    def drift(server):
        page = _page(server, "/monitoring/prometheus/metrics")[1]
        return {
            score: float(value)
            for score, value in re.findall(r'output_drift{.*score="(.*?)"} (\S+)', page)
        }

    labels = generator.integers(0, 5, 1000)
    scores = {
        "images_mean": images_of(generator.integers(0, 2**60, 1000), labels).mean(
            (1, 2, 3)
        )
    }
    write_reference(version, scores)
    with (
        _start(tmp_path / "digits") as server,
        Client(server.address, model="digits") as client,
    ):
        assert drift(server) == {}
        ask(client, labels[:128])
        assert drift(server)["images_mean"] < 0.2
        for _ in range(8):
            ask(client, np.full(128, 9))
        assert drift(server)["images_mean"] > 0.5


@pytest.mark.parametrize("has_uvloop", [True, False])
def test_it_answers_with_and_without_uvloop(folder, monkeypatch, has_uvloop):
    if has_uvloop:
        pytest.importorskip("uvloop")
    else:
        monkeypatch.setitem(sys.modules, "uvloop", None)
    with _start(folder) as server:
        assert type(server._loop).__module__.startswith("uvloop") == has_uvloop
        for address in (server.address, server.rest_address):
            protocol = "grpc" if address == server.address else "rest"
            with Client(address, model="linear", protocol=protocol) as client:
                assert _ask(client) == 3.0
