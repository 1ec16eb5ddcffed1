"""The files that other programs read, against the messages and flags they must fit."""

import re
from pathlib import Path

import pytest
import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)

import tfgenai
from tfgenai.serving.config import models_from_file

FOLDER = Path(tfgenai.__file__).parent.parent / "serving"

# Of `tensorflow_model_server --help`, those that are used here.
_FLAGS = {
    "port",
    "rest_api_port",
    "model_config_file",
    "model_config_file_poll_wait_seconds",
    "monitoring_config_file",
    "enable_batching",
    "batching_parameters_file",
    "enable_model_warmup",
}


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


def _containerfile():
    return (FOLDER / "Containerfile").read_text()


def test_the_container_takes_its_version_as_an_argument():
    text = _containerfile()
    assert re.search(r"^ARG TF_SERVING_VERSION=2\.20\.0$", text, re.MULTILINE)
    assert "FROM docker.io/tensorflow/serving:${TF_SERVING_VERSION}" in text
    assert re.search(r"^USER [1-9]\d*:", text, re.MULTILINE)


def test_the_containers_flags_and_files_exist():
    text = _containerfile()
    flags = dict(re.findall(r'"--(\w+)=([^"]*)"', text))
    assert set(flags) == _FLAGS
    copied = re.search(r"^COPY (.*) (/\S+)/$", text, re.MULTILINE)
    files, target = copied[1].split(), copied[2]
    assert all((FOLDER / file).is_file() for file in files)
    used = {value for value in flags.values() if value.startswith("/")}
    assert used == {f"{target}/{file}" for file in files}


def test_compose_agrees_with_the_container():
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    service = compose["services"]["serving"]
    build = service["build"]
    assert (FOLDER / build["context"] / build["dockerfile"]).is_file()
    default = re.search(r"TF_SERVING_VERSION=([\d.]+)", _containerfile())[1]
    assert build["args"]["TF_SERVING_VERSION"] == f"${{TF_SERVING_VERSION:-{default}}}"
    exposed = re.search(r"^EXPOSE (.*)$", _containerfile(), re.MULTILINE)[1].split()
    assert service["ports"] == [f"127.0.0.1:{port}:{port}" for port in exposed]
    assert service["volumes"] == ["${MODELS:-../served}:/models:ro"]
    assert service["read_only"] is True
