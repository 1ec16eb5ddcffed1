"""Files of TLS and monitoring: read as TensorFlow Serving reads them, or refused."""

import pytest

from tfgenai.core.errors import ConfigError
from tfgenai.serving.text_config import (
    METRICS_PATH,
    SslConfig,
    metrics_path_from_file,
    ssl_from_file,
)


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "file.config"
        path.write_text(text)
        return path

    return write


def test_ssl(file):
    found = ssl_from_file(
        file('server_key: "k\\nk" server_cert: "c" custom_ca: "a" client_verify: true')
    )
    assert found == SslConfig("k\nk", "c", "a", True)
    assert ssl_from_file(file('server_key: "k" server_cert: "c"')) == SslConfig(
        "k", "c"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("server_key: 3", "Error parsing text-format tensorflow.serving.SSLConfig"),
        ('server_key: "k"', "server_cert were expected"),
        ('server_key: "k" server_cert: "c" client_verify: true', "custom_ca"),
    ],
)
def test_ssl_that_makes_no_sense_is_refused(file, text, words):
    with pytest.raises(ConfigError, match=words):
        ssl_from_file(file(text))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", None),
        ("prometheus_config { enable: false }", None),
        ("prometheus_config { enable: true }", METRICS_PATH),
        ('prometheus_config { enable: true path: "/metrics" }', "/metrics"),
    ],
)
def test_monitoring(file, text, path):
    assert metrics_path_from_file(file(text)) == path


def test_a_path_that_is_none_is_refused(file):
    text = 'prometheus_config { enable: true path: "metrics" }'
    with pytest.raises(ConfigError, match="Begin it with a slash"):
        metrics_path_from_file(file(text))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no_such_file"):
        metrics_path_from_file(tmp_path / "no_such_file")
