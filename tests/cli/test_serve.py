"""`tfgenai serve`: flags as TensorFlow Serving's, mistakes in words, help at once."""

import json
import subprocess
import sys
import threading

import pytest
import tensorflow as tf
from click.testing import CliRunner

from tfgenai.cli import main, serve

# TensorFlow Serving's flags that matter here, as its users write them.
_FLAGS = [
    "--port=0",
    "--rest_api_port=0",
    "--rest_api_timeout_in_ms=1000",
    "--model_name=half",
    "--file_system_poll_wait_seconds=0",
    "--max_num_load_retries=0",
    "--load_retry_interval_micros=-1",
    "--enable_model_warmup=false",
    "--allow_version_labels_for_unavailable_models",
    "--enable_grpc_healthcheck_service=true",
    "--grpc_max_threads=2",
    "--tensorflow_session_parallelism=1",
    "--saved_model_tags=serve",
]


@pytest.fixture(scope="module")
def base_path(tmp_path_factory):
    """`half/1`: y = x / 2 + 2."""
    path = tmp_path_factory.mktemp("served") / "half"

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, name="x")])
    def half(x):
        return {"y": x / 2.0 + 2.0}

    tf.saved_model.save(tf.Module(), str(path / "1"), half)
    return path


@pytest.fixture(autouse=True)
def _no_handlers(monkeypatch):
    """Loggers belong to the process, which here is that of all tests."""
    monkeypatch.setattr(serve, "_log_to_stderr", lambda: None)


@pytest.fixture
def ask(monkeypatch):
    """Runs the verb in this process; asks the server once and lets it end."""
    answers = []

    class Stop(threading.Event):
        def wait(self, timeout=None):
            from tfgenai.serving import Client

            server = answers.pop()
            with Client(server.address, model="half") as client:
                y = client.predict("serving_default", x=[2.0])["y"]
            answers.extend([server, y.tolist()])
            return True

    monkeypatch.setattr(serve, "_stop_on_signals", Stop)
    from tfgenai.serving.server import Server

    start = Server.start

    def remember(self):
        answers.append(self)
        return start(self)

    monkeypatch.setattr(Server, "start", remember)

    def run(*arguments):
        answers.clear()
        result = CliRunner().invoke(main.cli, ["serve", *map(str, arguments)])
        assert result.exit_code == 0, result.output
        return *answers, result.stdout

    return run


def test_tensorflow_servings_flags(ask, base_path):
    server, y, output = ask(*_FLAGS, f"--model_base_path={base_path}")
    assert y == [3.0]
    assert server.wait(0)
    settings = server.settings
    assert settings.rest_api_timeout_in_ms == 1000
    assert settings.file_system_poll_wait_seconds == 0
    assert (settings.max_num_load_retries, settings.load_retry_interval_micros) == (
        0,
        -1,
    )
    assert not settings.enable_model_warmup
    assert settings.allow_version_labels_for_unavailable_models
    assert settings.enable_grpc_healthcheck_service
    assert settings.grpc_max_threads == 2
    assert settings.tensorflow_session_parallelism == 1
    assert f"gRPC on 127.0.0.1:{server.port}" in output
    assert "half: version 1" in output
    assert f"REST on http://127.0.0.1:{server.rest_port}" in output


def test_a_folder_and_json(ask, base_path):
    server, y, output = ask(
        base_path.parent, "--port", 0, "--rest_api_port", -1, "--json"
    )
    assert y == [3.0]
    assert json.loads(output) == {
        "grpc": f"127.0.0.1:{server.port}",
        "rest": None,
        "port": server.port,
        "rest_api_port": None,
        "models": {"half": [1]},
    }


def test_a_config_file(ask, base_path, tmp_path):
    file = tmp_path / "models.config"
    file.write_text(
        "model_config_list { config { name: 'half' "
        f"base_path: '{base_path}' model_platform: 'tensorflow' }} }}"
    )
    _, y, _ = ask("--model_config_file", file, "--port=0", "--rest_api_port=0")
    assert y == [3.0]


def _fail(*arguments):
    result = CliRunner().invoke(main.cli, ["serve", *map(str, arguments)])
    return result.exit_code, result.output


def test_exactly_one_source_of_models(base_path):
    for arguments in ([], [base_path, f"--model_base_path={base_path}"]):
        code, output = _fail(*arguments)
        assert code == 2
        assert "either FOLDER, --model_base_path or --model_config_file" in output


def test_a_bad_config_file_ends_with_tensorflow_servings_words(tmp_path):
    file = tmp_path / "bad.config"
    file.write_text("model_config_list {{{")
    code, output = _fail("--model_config_file", file)
    assert code == 1
    words = "Error parsing text-format tensorflow.serving.ModelServerConfig"
    assert words in output


def test_mistakes_end_with_one_line_and_exit_code_1(base_path, tmp_path):
    for arguments, words in (
        ([tmp_path / "none"], "Received: folder="),
        ([f"--model_base_path={tmp_path / 'none'}"], "Received: base_path="),
        ([base_path, "--port=70000"], "Received: port=70000"),
        ([base_path, "--max_request_rows=0"], "Received: max_request_rows=0"),
    ):
        code, output = _fail(*arguments)
        assert code == 1
        assert words in output
        assert "Traceback" not in output


def test_help_and_mistakes_load_no_tensorflow(tmp_path):
    script = (
        "import sys; from tfgenai.cli.main import cli;"
        "code = cli(sys.argv[1:], standalone_mode=False);"
        "print('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "serve", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--rest_api_port" in done.stdout
    assert done.stdout.endswith("False\n")


def test_the_first_signal_drains_and_the_second_ends_at_once():
    import signal

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        stop = serve._stop_on_signals()
        signal.raise_signal(signal.SIGTERM)
        assert stop.is_set()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
