"""The servers' config files, against the messages they must fit and a server itself."""

import re
import shutil
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)

import tfgenai
from tfgenai.cli import main, serve
from tfgenai.serving import Client, Server
from tfgenai.serving.config import models_from_file

FOLDER = Path(tfgenai.__file__).parent.parent / "serving"


def _message(name, **fields):
    """A message as published by TensorFlow Serving, whose stubs leave these out."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{name}.proto", package=f"test.{name.lower()}", syntax="proto3"
    )
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    outer = file.message_type.add(name=name)
    types = descriptor_pb2.FieldDescriptorProto
    for number, (field, kind) in enumerate(fields.items(), start=1):
        added = outer.field.add(name=field, number=number, label=types.LABEL_OPTIONAL)
        if kind in ("Int64Value", "StringValue"):
            added.type, added.type_name = (
                types.TYPE_MESSAGE,
                f".google.protobuf.{kind}",
            )
        elif isinstance(kind, type):
            added.type, added.type_name = (
                types.TYPE_MESSAGE,
                f".{kind.DESCRIPTOR.full_name}",
            )
            file.dependency.append(kind.DESCRIPTOR.file.name)
        else:
            added.type = getattr(types, f"TYPE_{kind.strip('*').upper()}")
            if kind.endswith("*"):
                added.label = types.LABEL_REPEATED
    pool = descriptor_pool.Default()
    pool.Add(file)
    found = pool.FindMessageTypeByName(f"{file.package}.{name}")
    return message_factory.GetMessageClass(found)


@pytest.fixture(scope="module")
def batching():
    return _message(
        "BatchingParameters",
        max_batch_size="Int64Value",
        batch_timeout_micros="Int64Value",
        max_enqueued_batches="Int64Value",
        num_batch_threads="Int64Value",
        thread_pool_name="StringValue",
        allowed_batch_sizes="int64*",
        pad_variable_length_inputs="bool",
    )


@pytest.fixture(scope="module")
def monitoring():
    prometheus = _message("PrometheusConfig", enable="bool", path="string")
    return _message("MonitoringConfig", prometheus_config=prometheus)


def _parse(name, message):
    return text_format.Parse((FOLDER / name).read_text(), message())


def test_models_config_is_read_by_both_servers(tmp_path):
    text = (FOLDER / "models.config").read_text()
    paths = re.findall(r'base_path: "(/models/[^"]+)"', text)
    assert paths
    for path in paths:
        (tmp_path / path[1:]).mkdir(parents=True)
    moved = tmp_path / "models.config"
    moved.write_text(text.replace('"/models/', f'"{tmp_path}/models/'))
    models = models_from_file(moved)
    assert [f"/models/{model.name}" for model in models] == paths


def test_the_examples_in_models_config_are_right(tmp_path):
    """The commented policy and labels, with the comment marks taken away."""
    text = (FOLDER / "models.config").read_text()
    text = re.sub(r"model_version_policy { latest.*", "", text)
    text = re.sub(r"#   (model_version_policy|version_labels)", r"\1", text)
    (tmp_path / "digits").mkdir()
    file = tmp_path / "models.config"
    file.write_text(text.replace("/models/digits", str(tmp_path / "digits")))
    (model,) = models_from_file(file)
    assert model.version_policy.versions == (1, 2)
    assert model.version_labels == {"stable": 1, "canary": 2}


def test_batching_config_keeps_the_batchers_rules(batching):
    config = _parse("batching.config", batching)
    sizes = list(config.allowed_batch_sizes)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == config.max_batch_size.value
    assert config.num_batch_threads.value >= 1
    assert 0 < config.max_enqueued_batches.value < 10**6
    assert not config.pad_variable_length_inputs


def test_monitoring_config(monitoring):
    config = _parse("monitoring.config", monitoring).prometheus_config
    assert config.enable
    assert config.path == "/monitoring/prometheus/metrics"


def test_the_server_starts_with_the_files_and_flags_of_its_image(
    exports, images_of, tmp_path, monkeypatch
):
    """Only paths and ports are moved; then it answers as from its port in the image."""
    for file in FOLDER.glob("*.config"):
        text = file.read_text("utf-8").replace('"/models/', f'"{tmp_path}/models/')
        (tmp_path / file.name).write_text(text)
    shutil.copytree(exports["digits"], tmp_path / "models" / "digits" / "1")
    text = (FOLDER / "Containerfile.tfgenai").read_text("utf-8")
    flags = dict(re.findall(r'"--(\w+)=([^"]*)"', text))
    known = {parameter.name for parameter in serve.command.params}
    assert flags.keys() <= known
    flags |= {"host": "127.0.0.1", "port": "0", "rest_api_port": "0"}
    arguments = [
        f"--{name}={value.replace('/etc/tensorflow-serving', str(tmp_path))}"
        for name, value in flags.items()
    ]
    answers = []

    class Asked(threading.Event):
        def wait(self, timeout=None):
            with Client(answers.pop().address, model="digits") as client:
                answers.append(client.generate(seed=[7, 8], labels=[3, 4])["images"])
            return True

    start = Server.start
    monkeypatch.setattr(
        Server, "start", lambda self: answers.append(self) or start(self)
    )
    monkeypatch.setattr(serve, "_stop_on_signals", Asked)
    monkeypatch.setattr(serve, "_log_to_stderr", lambda: None)
    result = CliRunner().invoke(main.cli, ["serve", *arguments])
    assert result.exit_code == 0, result.output
    assert (answers[0] == images_of([7, 8], [3, 4])).all()
