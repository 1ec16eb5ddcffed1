"""The container files and compose files, with each other and with what they run."""

import fnmatch
import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import tfgenai
from tfgenai.cli import serve

FOLDER = Path(tfgenai.__file__).parent.parent / "serving"
ROOT = FOLDER.parent

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

# What `tfgenai serve` has beside them.
_OUR_FLAGS = {"host", "drain_seconds"}

_FILES = pytest.mark.parametrize("name", ["Containerfile", "Containerfile.tfgenai"])


def _containerfile(name="Containerfile"):
    return (FOLDER / name).read_text("utf-8")


def _lines(name, word):
    """What follows an instruction, its lines joined."""
    text = re.sub(r"^\s*#.*\n", "", _containerfile(name), flags=re.MULTILINE)
    text = text.replace("\\\n", " ")
    return [
        line.split(maxsplit=1)[1] for line in text.splitlines() if line.startswith(word)
    ]


def _flags(name):
    return dict(re.findall(r'"--(\w+)=([^"]*)"', _containerfile(name)))


def _compose(name="compose.yaml"):
    return yaml.safe_load((FOLDER / name).read_text("utf-8"))


def test_the_versions_are_arguments():
    assert "TF_SERVING_VERSION=2.20.0" in _lines("Containerfile", "ARG")
    image = "docker.io/tensorflow/serving:${TF_SERVING_VERSION}"
    assert _lines("Containerfile", "FROM") == [image]
    (argument,) = _lines("Containerfile.tfgenai", "ARG")
    image = "docker.io/library/python:${PYTHON_VERSION}-slim"
    assert _lines("Containerfile.tfgenai", "FROM") == [f"{image} AS build", image]
    # The lowest that the package supports is the one that the pinned set is made on.
    lowest = re.search(
        r"python_requires = >=([\d.]+)", (ROOT / "setup.cfg").read_text()
    )
    assert argument == f"PYTHON_VERSION={lowest[1]}"


@_FILES
def test_neither_container_runs_as_root(name):
    assert _lines(name, "USER") == ["10001:10001"]
    assert _lines(name, "EXPOSE") == ["8500 8501"]
    assert _lines(name, "STOPSIGNAL") == ["SIGTERM"]


@_FILES
def test_the_flags_exist_and_name_files_that_are_copied(name):
    flags = _flags(name)
    known = _FLAGS if name == "Containerfile" else _FLAGS | _OUR_FLAGS
    assert set(flags) == known
    *files, target = next(
        line for line in _lines(name, "COPY") if "models.config" in line
    ).split()
    assert {Path(file).name for file in files} == {
        e.name for e in FOLDER.glob("*.config")
    }
    used = {value for key, value in flags.items() if key.endswith("_file")}
    assert used == {f"{target}{Path(file).name}" for file in files}


def test_both_servers_are_started_alike():
    ours, theirs = _flags("Containerfile.tfgenai"), _flags("Containerfile")
    assert {key: value for key, value in ours.items() if key in theirs} == theirs


def test_our_image_starts_what_the_package_installs():
    (entry,) = _lines("Containerfile.tfgenai", "ENTRYPOINT")
    program, verb = json.loads(entry)
    scripts = (ROOT / "setup.cfg").read_text("utf-8").partition("console_scripts =")[2]
    assert f"{program} = " in scripts
    assert verb == "serve"
    known = {parameter.name for parameter in serve.command.params}
    assert known >= _OUR_FLAGS


def test_what_is_installed_is_pinned():
    for command in _lines("Containerfile.tfgenai", "RUN"):
        if "pip install" in command:
            assert "--constraint constraints.txt" in command or "--no-deps" in command
    last = _containerfile("Containerfile.tfgenai").rpartition("FROM ")[2]
    assert "pip install" not in last


def test_what_is_copied_reaches_the_builder_and_nothing_else():
    """.dockerignore ends with what is let in: the last rule that fits counts."""
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]

    def is_sent(path):
        sent = True
        for rule in rules:
            pattern = rule.removeprefix("!")
            parents = [str(Path(*path.parts[: n + 1])) for n in range(len(path.parts))]
            patterns = (pattern, pattern.removeprefix("**/"))
            names = [*parents, *path.parts] if pattern.startswith("**/") else parents
            if any(
                fnmatch.fnmatchcase(name, each) for name in names for each in patterns
            ):
                sent = rule.startswith("!")
        return sent

    copied = [
        source
        for line in _lines("Containerfile.tfgenai", "COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    ]
    for source in copied:
        assert (ROOT / source).exists(), source
        assert is_sent(Path(source)), source
    assert is_sent(Path("tfgenai/train/recipes/vae_mnist.yaml"))
    for other in (
        ".git/config",
        "served/m/1/saved_model.pb",
        "runs/a",
        ".env",
        "tests/a",
    ):
        assert not is_sent(Path(other)), other
    assert not is_sent(Path("tfgenai/core/__pycache__/model.cpython-311.pyc"))


def _health_check():
    (line,) = _lines("Containerfile.tfgenai", "HEALTHCHECK")
    return json.loads(line[line.index("[") :])


@pytest.fixture
def closed_port():
    """A port on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_the_health_check_tells_a_server_from_none(server, closed_port):
    _, option, code = _health_check()
    command = [sys.executable, "-I", option]
    assert ":8501/" in code
    well = code.replace(":8501/", f":{server.rest_port}/")
    assert subprocess.run([*command, well]).returncode == 0
    # Not found and draining are HTTP errors, as here; a closed port is none at all.
    ill = well.replace("/healthz", "/nothing")
    assert subprocess.run([*command, ill], stderr=subprocess.DEVNULL).returncode == 1
    dead = code.replace(":8501/", f":{closed_port}/")
    assert subprocess.run([*command, dead], stderr=subprocess.DEVNULL).returncode == 1


def test_compose_agrees_with_the_container():
    service = _compose()["services"]["serving"]
    build = service["build"]
    assert (FOLDER / build["context"] / build["dockerfile"]).is_file()
    (default,) = _lines("Containerfile", "ARG")
    version = default.partition("=")[2]
    assert build["args"]["TF_SERVING_VERSION"] == f"${{TF_SERVING_VERSION:-{version}}}"
    exposed = _lines("Containerfile", "EXPOSE")[0].split()
    assert service["ports"] == [f"127.0.0.1:{port}:{port}" for port in exposed]
    assert service["volumes"] == ["${MODELS:-../served}:/models:ro"]


def test_the_other_server_takes_the_same_place():
    (laid_over,) = _compose("compose.tfgenai.yaml")["services"].items()
    name, service = laid_over
    assert name in _compose()["services"]
    context = FOLDER / service["build"]["context"]
    # It copies from the root of the package.
    assert context.resolve() == ROOT.resolve()
    assert (context / service["build"]["dockerfile"]).is_file()
    assert service["healthcheck"]["test"] == ["CMD", *_health_check()]


def test_a_stop_leaves_time_to_drain():
    grace = _compose()["services"]["serving"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > int(
        _flags("Containerfile.tfgenai")["drain_seconds"]
    )


def test_services_are_locked_in_and_on_loopback():
    services = _compose()["services"]
    assert services.keys() == {"serving", "prometheus", "grafana"}
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        if "image" in service:
            assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name


def test_prometheus_and_grafana_find_what_they_read():
    compose = _compose()
    services = compose["services"]
    config = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    host, _, port = target.partition(":")
    assert port == services[host]["ports"][1].split(":")[1]
    provisioning = FOLDER / "grafana" / "provisioning"
    source = yaml.safe_load(
        (provisioning / "datasources" / "prometheus.yaml").read_text()
    )
    host, port = re.fullmatch(
        r"http://(\w+):(\d+)", source["datasources"][0]["url"]
    ).groups()
    assert services[host]["ports"] == [f"127.0.0.1:{port}:{port}"]
    mounted = {}
    for service in services.values():
        for volume in service["volumes"]:
            origin, place, *_ = volume.rsplit(":", 2 if volume.endswith(":ro") else 1)
            mounted[place] = origin
            if origin.startswith("./"):
                assert (FOLDER / origin).exists(), origin
            elif "$" not in origin:
                assert origin in compose["volumes"]
    provider = yaml.safe_load(
        (provisioning / "dashboards" / "tfgenai.yaml").read_text()
    )
    path = provider["providers"][0]["options"]["path"]
    assert mounted[f"{path}/dashboard.json"] == "./grafana/dashboard.json"
    assert mounted["/etc/grafana/provisioning"] == "./grafana/provisioning"
    (command,) = (c for c in services["prometheus"]["command"] if "config.file" in c)
    assert str(Path(command.partition("=")[2]).parent) in mounted
