"""No network: refused in seconds, with both ways out. A network: TFDS is asked."""

import socket
import threading
import time

import pytest

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data import load, tfds_builders


@pytest.fixture
def offline(monkeypatch):
    """No host answers; gives the addresses that were tried."""
    tried = []

    def refuse(address, timeout):
        tried.append(address)
        raise OSError("unreachable")

    monkeypatch.setattr(socket, "create_connection", refuse)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tried


def test_without_a_network_both_ways_out_are_named(offline, tmp_path):
    with pytest.raises(DataNotFoundError) as e:
        load("mnist", data_dir=tmp_path)
    for words in ("go online", "tfgenai data import mnist --from DIR", str(tmp_path)):
        assert words in str(e.value)
    assert ("storage.googleapis.com", 443) in offline
    assert not list(tmp_path.iterdir())


def test_hosts_that_never_answer_are_not_waited_for(monkeypatch, tmp_path):
    end = threading.Event()

    def hang(*args, **kwargs):
        end.wait(60)
        raise OSError("gave up")

    monkeypatch.setattr(socket, "create_connection", hang)
    monkeypatch.setattr(tfds_builders, "PROBE_SECONDS", 0.1)
    started = time.monotonic()
    with pytest.raises(DataNotFoundError, match="none of"):
        load("mnist", data_dir=tmp_path)
    end.set()
    assert time.monotonic() - started < 20


@pytest.fixture
def builder(tmp_path):
    import tiny_tfds  # noqa: F401 - registers its set

    return tfds_builders.get_builder("tiny_images", tmp_path)


def test_with_a_network_tfds_is_asked(builder, monkeypatch):
    class Connection:
        def __enter__(self): ...
        def __exit__(self, *error): ...

    calls = []
    monkeypatch.setattr(socket, "create_connection", lambda *a, **k: Connection())
    monkeypatch.setattr(builder, "download_and_prepare", lambda: calls.append(1))
    tfds_builders.prepare(builder)
    assert calls == [1]


def test_a_failed_preparation_is_a_typed_error(builder, monkeypatch):
    def fail():
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(tfds_builders, "_any_reachable", lambda hosts: True)
    monkeypatch.setattr(builder, "download_and_prepare", fail)
    with pytest.raises(DataError, match="RuntimeError: the disk is full"):
        tfds_builders.prepare(builder)


def test_the_proxy_is_tried_where_there_is_one(offline, builder, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:3128")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(DataNotFoundError):
        tfds_builders.prepare(builder)
    assert ("proxy.invalid", 3128) in offline
    assert ("tiny-images.invalid", 443) not in offline


def test_what_is_in_the_cache_needs_no_host(builder, tmp_path):
    from tiny_tfds import FILES, URLS

    assert tfds_builders.hosts_of_missing_files(builder) == ["tiny-images.invalid"]
    for name, url in URLS.items():
        path = tfds_builders.cached_path(builder, url)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(FILES[name])
        path.with_name(path.name + ".INFO").write_text("{}")
    assert tfds_builders.hosts_of_missing_files(builder) == []


def test_the_folder_is_that_of_tfds(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert tfds_builders.default_data_dir() == tmp_path
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert tfds_builders.default_data_dir().name == "tensorflow_datasets"
    assert tfds_builders.default_data_dir().is_absolute()


@pytest.mark.parametrize("name", ["mnist:9.9.9", "mnist/none", "mnist_corrupted/none"])
def test_versions_and_configurations_that_do_not_exist_are_refused(name, tmp_path):
    with pytest.raises(DataNotFoundError, match=name):
        tfds_builders.get_builder(name, tmp_path)
    with pytest.raises(DataNotFoundError, match="'mnist'"):
        tfds_builders.get_builder("mnits", tmp_path)


def test_words_of_tfds_stay_off_standard_output(capsys):
    with tfds_builders.quiet():
        print("Downloading and preparing")  # noqa: T201
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Downloading and preparing\n")
