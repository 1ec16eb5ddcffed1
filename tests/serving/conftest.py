"""Small SavedModels whose answers NumPy can work out, and a server of them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.serving import Client, Server, Settings

sys.path.insert(0, str(Path(__file__).parent))

NUM_CLASSES = 10


def expected_images(seed, labels) -> np.ndarray:
    """What the toy generator answers, bit for bit: all numbers are whole 2**-15."""
    seed = np.asarray(seed, np.int64)[:, None]
    with np.errstate(over="ignore"):
        noise = (seed * 1103515245 + np.arange(16) * 12345) % 65536
    images = noise / 32768 - 1 + np.asarray(labels)[:, None] / 16
    return images.astype(np.float32).reshape(-1, 4, 4, 1)


def _images(seed, labels):
    noise = (seed[:, None] * 1103515245 + tf.range(16, dtype=tf.int64) * 12345) % 65536
    images = tf.cast(noise, tf.float32) / 32768 - 1
    images += tf.cast(labels[:, None], tf.float32) / 16
    error = tf.where(
        (labels >= 0) & (labels < NUM_CLASSES),
        "",
        tf.strings.join(["labels: 0 to 9. Received: ", tf.strings.as_string(labels)]),
    )
    images = tf.where((error == "")[:, None], images, 0.0)
    return tf.reshape(images, (-1, 4, 4, 1)), error


def _rows(dtype, *shape):
    return tf.TensorSpec((None, *shape), dtype)


def save_digits(path: Path) -> Path:
    """A generator with the signatures that an export of a model has."""
    module = tf.Module()

    @tf.function
    def generate(seed, labels):
        images, error = _images(seed, labels)
        return {"images": images, "error": error}

    @tf.function
    def generate_advanced(seed, labels, scale, num_steps, style):
        images, error = _images(seed, labels)
        scale = tf.where(tf.math.is_nan(scale), 1.0, scale)
        num_steps = tf.where(num_steps == -1, 3, num_steps)
        style = tf.where(style == "", "plain", style)
        images *= scale[:, None, None, None]
        return {
            "images": images,
            "num_steps": num_steps,
            "style": style,
            "error": error,
        }

    @tf.function
    def generate_png(seed, labels):
        images, error = _images(seed, labels)
        pixels = tf.cast(tf.clip_by_value(images, 0.0, 1.0) * 255, tf.uint8)
        return {"image_bytes": tf.io.encode_png(pixels), "error": error}

    @tf.function
    def round_trip(**values):
        return {f"{name}_out": tf.identity(value) for name, value in values.items()}

    @tf.function
    def fail(x):
        with tf.control_dependencies([tf.debugging.assert_less(x, 0.0, "too large")]):
            return {"y": tf.identity(x)}

    @tf.function
    def wide(x):
        return {"y": tf.tile(x[:, None], (1, 1000))}

    row = {"seed": _rows(tf.int64), "labels": _rows(tf.int32)}
    knobs = {
        "scale": _rows(tf.float32),
        "num_steps": _rows(tf.int32),
        "style": _rows(tf.string),
    }
    kinds = ["float32", "float64", "float16", "int8", "uint8", "int16", "uint16"]
    kinds += ["int32", "uint32", "int64", "uint64", "bool", "string"]
    signatures = {
        "generate": generate.get_concrete_function(**row),
        "generate_advanced": generate_advanced.get_concrete_function(**row, **knobs),
        "generate_png": generate_png.get_concrete_function(**row),
        "round_trip": round_trip.get_concrete_function(
            **{f"a_{kind}": _rows(kind, None) for kind in kinds}
        ),
        "wide": wide.get_concrete_function(_rows(tf.float32)),
        "fail": fail.get_concrete_function(_rows(tf.float32)),
    }
    signatures["serving_default"] = signatures["generate"]
    tf.saved_model.save(module, str(path), signatures)
    return path


def save_linear(path: Path, slope: float) -> Path:
    """y = slope * x + 2 with the slope as a variable."""
    module = tf.Module()
    module.slope = tf.Variable(slope)

    @tf.function
    def call(x):
        return {"y": module.slope * x + 2.0}

    spec = tf.TensorSpec((None,), tf.float32, name="x")
    tf.saved_model.save(module, str(path), call.get_concrete_function(spec))
    return path


@pytest.fixture(scope="session")
def exports(tmp_path_factory) -> dict[str, Path]:
    """Version folders to copy from: `digits`, `half` and `triple`."""
    root = tmp_path_factory.mktemp("exports")
    return {
        "digits": save_digits(root / "digits"),
        "half": save_linear(root / "half", 0.5),
        "triple": save_linear(root / "triple", 3.0),
    }


@pytest.fixture(scope="session")
def served(exports, tmp_path_factory) -> Path:
    """A folder of two models, `digits/1` and `linear/1`."""
    root = tmp_path_factory.mktemp("served")
    shutil.copytree(exports["digits"], root / "digits" / "1")
    shutil.copytree(exports["half"], root / "linear" / "1")
    return root


@pytest.fixture
def folder(exports, tmp_path):
    """`linear/1` with slope 0.5, alone in a folder."""
    shutil.copytree(exports["half"], tmp_path / "served" / "linear" / "1")
    return tmp_path / "served"


@pytest.fixture(scope="session")
def server(served):
    """A server of both models on free loopback ports."""
    settings = Settings(settle_seconds=0.0, max_request_bytes=2**20)
    with Server(served, port=0, rest_api_port=0, settings=settings) as running:
        yield running


@pytest.fixture(scope="session")
def start():
    """Starts `tfgenai serve`; all are stopped in the end."""
    started = []

    def run(*flags, stderr=None):
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tfgenai", "serve"),
                *("--port=0", "--rest_api_port=0", "--json", *flags),
            ],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        started.append(process)
        announced = json.loads(process.stdout.readline())
        return SimpleNamespace(
            grpc=announced["grpc"], rest=announced["rest"], process=process
        )

    yield run
    for process in started:
        process.terminate()
    for process in started:
        process.wait(60)
        process.stdout.close()


@pytest.fixture(params=["grpc", "rest"])
def client(server, request):
    """A client of `digits`, over each protocol in turn."""
    address = server.address if request.param == "grpc" else server.rest_address
    with Client(address, model="digits", protocol=request.param) as made:
        yield made


@pytest.fixture(scope="session")
def images_of():
    """The oracle of the toy generator."""
    return expected_images


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Signs certificates that a test trusts."""
    from certificates import Authority

    return Authority(tmp_path_factory.mktemp("authority"), "good")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    """Signs certificates that nobody trusts."""
    from certificates import Authority

    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")
