"""The client: both protocols alike, knobs filled in, mistakes named."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core.errors import RowError, ServingError, UnavailableError
from tfgenai.serving import Client, Server, Settings


def test_generate(client, images_of):
    out = client.generate(seed=[1, 2, 3], labels=[4, 5, 6])
    assert list(out) == ["images"]
    assert out["images"].dtype == np.float32
    np.testing.assert_array_equal(out["images"], images_of([1, 2, 3], [4, 5, 6]))
    out["images"][0] = 0.0  # the caller's own


def test_one_value_for_all_rows(client, images_of):
    images = client.generate(seed=[1, 2, 3], labels=4)["images"]
    np.testing.assert_array_equal(images, images_of([1, 2, 3], [4, 4, 4]))
    np.testing.assert_array_equal(
        client.generate(seed=1, labels=4)["images"], images_of([1], [4])
    )


def test_large_seeds_arrive_whole(client, images_of):
    seeds = [2**63 - 1, 2**53 + 1]
    np.testing.assert_array_equal(
        client.generate(seed=seeds, labels=[0, 1])["images"], images_of(seeds, [0, 1])
    )


def test_knobs_that_are_left_out_take_the_models_defaults(client, images_of):
    out = client.generate(seed=[1, 2], labels=[4, 5], scale=[0.5, 2.0])
    expected = images_of([1, 2], [4, 5]) * np.reshape([0.5, 2.0], (2, 1, 1, 1))
    np.testing.assert_array_equal(out["images"], expected.astype(np.float32))
    assert out["num_steps"].tolist() == [3, 3]
    assert out["style"].tolist() == ["plain", "plain"]
    out = client.generate(seed=[1], labels=[4], style=["café"], num_steps=7)
    np.testing.assert_array_equal(out["images"], images_of([1], [4]))
    assert (out["num_steps"].tolist(), out["style"].tolist()) == ([7], ["café"])
    assert "num_steps" not in client.generate(seed=[1], labels=[4], scale=None)


def test_bad_rows_are_raised_with_their_numbers_or_returned(client, images_of):
    with pytest.raises(RowError, match=r"2 of 3 that it refuses.*row 1") as caught:
        client.generate(seed=[1, 2, 3], labels=[4, 50, -6])
    assert caught.value.rows == {
        1: "labels: 0 to 9. Received: 50",
        2: "labels: 0 to 9. Received: -6",
    }
    assert caught.value.code == "INVALID_ARGUMENT"
    out = client.generate(seed=[1, 2], labels=[4, 50], return_errors=True)
    assert out["error"].tolist() == ["", "labels: 0 to 9. Received: 50"]
    np.testing.assert_array_equal(out["images"][:1], images_of([1], [4]))


def test_predict_any_signature(client):
    out = client.predict("generate_png", seed=[1], labels=[2])
    (png,) = out["image_bytes"]
    assert isinstance(png, bytes)
    assert png.startswith(b"\x89PNG")
    again = client.predict("generate_png", {"seed": [1], "labels": [2]})
    assert again["image_bytes"].tolist() == [png]


_KINDS = ["float32", "float64", "float16", "int8", "uint8", "int16", "uint16"]
_KINDS += ["int32", "uint32", "int64", "uint64", "bool"]


def test_every_type_comes_back_as_it_went(client):
    sent = {}
    for kind in _KINDS:
        info = np.iinfo(kind) if np.dtype(kind).kind in "iu" else None
        extremes = [info.min, info.max] if info else [0, 1]
        sent[f"a_{kind}"] = np.array([extremes, [1, 0]], kind)
    sent["a_float32"] = np.array([[np.nan, 1e-45], [3.4e38, -np.inf]], "f4")
    sent["a_string"] = np.array([["é", ""], ["a", "b"]], object)
    out = client.predict("round_trip", sent)
    for name, array in sent.items():
        back = out[f"{name}_out"]
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(back, array)


def test_no_rows_at_all(client):
    images = client.generate(seed=[], labels=[])["images"]
    assert (images.shape, images.dtype) == ((0, 4, 4, 1), np.float32)


def test_metadata_and_status(client):
    metadata = client.metadata()
    assert (metadata.name, metadata.version) == ("digits", 1)
    field = metadata.signature("generate").outputs["images"]
    assert (field.dtype, field.shape) == ("float32", (None, 4, 4, 1))
    assert client.metadata() is metadata
    assert client.metadata(refresh=True) == metadata
    (status,) = client.status()
    assert (status.version, status.state, status.code) == (1, "AVAILABLE", "OK")


@pytest.mark.parametrize(
    ("inputs", "error", "words"),
    [
        (
            {"seed": [1], "lables": [1]},
            ValueError,
            r"lables=\[1\]. Did you mean 'labels'",
        ),
        ({"seed": [1]}, ValueError, "Received: labels=None"),
        ({"seed": [1, 2], "labels": [1, 2, 3]}, ValueError, "seed with 2"),
        ({"seed": [0.5], "labels": [1]}, TypeError, "Received: seed="),
        ({"seed": ["a"], "labels": [1]}, TypeError, "type int64 were expected"),
        ({"seed": [1], "labels": [2**40]}, ValueError, "range of int32"),
        ({"seed": [1], "labels": [1], "style": [3]}, TypeError, "Strings"),
    ],
)
def test_mistakes_are_found_before_anything_is_sent(client, inputs, error, words):
    with pytest.raises(error, match=words):
        client.generate(**inputs)


def test_signatures_and_inputs_must_be_known(client):
    with pytest.raises(ValueError, match="Did you mean 'generate_png'"):
        client.predict("generate_pgn", seed=[1])
    with pytest.raises(ValueError, match=r"exactly \['labels', 'seed'\]"):
        client.predict("generate", seed=[1])


def test_the_servers_words_arrive(client):
    with pytest.raises(ServingError, match="too large") as caught:
        client.predict("fail", x=[1.0])
    assert caught.value.code == "INVALID_ARGUMENT"
    with pytest.raises(ServingError, match="At most 4096 rows") as caught:
        client.generate(seed=np.arange(5000), labels=0)
    assert caught.value.code == "RESOURCE_EXHAUSTED"


@pytest.fixture(params=["grpc", "rest"])
def protocol(request):
    return request.param


def test_unknown_models(server, protocol):
    address = server.address if protocol == "grpc" else server.rest_address
    with Client(address, model="a/b c", protocol=protocol) as client:
        with pytest.raises(ServingError, match=r"Latest\(a/b c\)") as caught:
            client.generate(seed=[1])
        assert caught.value.code == "NOT_FOUND"
        with pytest.raises(ServingError, match="any versions of model a/b c"):
            client.status()


def test_a_model_that_does_not_generate(server, protocol):
    address = server.address if protocol == "grpc" else server.rest_address
    with Client(address, model="linear", protocol=protocol) as client:
        assert client.predict("serving_default", x=[2.0])["y"].tolist() == [3.0]
        with pytest.raises(ValueError, match="signature_name='generate'"):
            client.generate(seed=[1])


def test_nobody_there(protocol):
    with (
        Client("127.0.0.1:9", model="m", protocol=protocol, timeout=5.0) as client,
        pytest.raises(UnavailableError, match=r"address='127.0.0.1:9'") as caught,
    ):
        client.status()
    assert caught.value.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


def test_rest_at_a_server_of_something_else(server):
    """A wrong path under the right port: no JSON of a model."""
    url = f"http://{server.rest_address}/elsewhere"
    with (
        Client(url, model="m", protocol="rest") as client,
        pytest.raises(ServingError, match="Not found") as caught,
    ):
        client.status()
    assert caught.value.code == "NOT_FOUND"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"protocol": "grcp"}, "Did you mean 'grpc'"),
        ({"timeout": 0}, "timeout=0"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"version": 1, "label": "stable"}, "A version or a label"),
    ],
)
def test_arguments_are_checked(arguments, words):
    with pytest.raises(ValueError, match=words):
        Client("127.0.0.1:1", model="m", **arguments)


def test_the_client_loads_no_tensorflow():
    """And of the two transports only the one that is used."""
    script = (
        "import sys; from tfgenai.serving import Client;"
        "Client('127.0.0.1:1', model='m').close();"
        "print(sorted({'tensorflow', 'keras', 'urllib3', 'tensorflow_serving'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def save_steps(path):
    """A toy that adds 1 a step: it answers num_steps, or 3 where that is -1."""
    module = tf.Module()
    row = {"seed": tf.TensorSpec((None,), tf.int64)}
    knob = row | {"num_steps": tf.TensorSpec((None,), tf.int32)}
    state = tf.TensorSpec((None, 2), tf.float32)
    step = tf.TensorSpec((None,), tf.int32)

    def count(num_steps):
        return tf.where(num_steps == -1, 3, num_steps)

    def answer(num_steps, name):
        error = tf.where(num_steps > 50, "num_steps: 50 at most", "")
        return {
            "images": tf.cast(count(num_steps), tf.float32),
            "queue": tf.fill(tf.shape(num_steps), name),
            "error": error,
        }

    def made(name):
        function = tf.function(lambda seed, num_steps: answer(num_steps, name))
        return function.get_concrete_function(**knob)

    @tf.function
    def generate(seed):
        return answer(tf.fill(tf.shape(seed), -1), "generate")

    @tf.function
    def denoise_step(seed, num_steps, step, state):
        moving = tf.cast(step < count(num_steps), tf.float32)[:, tf.newaxis]
        state = tf.where(step[:, tf.newaxis] == 0, 0.0, state) + moving
        return {
            "state": state,
            "images": state[:, 0],
            "is_done": step + 1 >= count(num_steps),
            "error": answer(num_steps, "")["error"],
        }

    signatures = {
        name: made(name)
        for name in (
            "generate_advanced",
            "generate_up_to_10_steps",
            "generate_up_to_4_steps",
        )
    }
    signatures["generate"] = generate.get_concrete_function(**row)
    signatures["denoise_step"] = denoise_step.get_concrete_function(
        **knob, step=step, state=state
    )
    signatures["serving_default"] = signatures["generate"]
    tf.saved_model.save(module, str(path), signatures)


@pytest.fixture(scope="module")
def steps_server(tmp_path_factory):
    root = tmp_path_factory.mktemp("steps")
    save_steps(root / "steps" / "1")
    settings = Settings(settle_seconds=0.0)
    with Server(root, port=0, rest_api_port=0, settings=settings) as running:
        yield running


@pytest.fixture(params=["grpc", "rest"])
def steps_client(steps_server, request):
    server = steps_server
    address = server.address if request.param == "grpc" else server.rest_address
    with Client(address, model="steps", protocol=request.param) as made:
        yield made


@pytest.mark.parametrize(
    ("num_steps", "queue"),
    [
        (None, "generate"),
        ([4, 1], "generate_up_to_4_steps"),
        ([4, 5], "generate_up_to_10_steps"),
        (10, "generate_up_to_10_steps"),
        ([1, 11], "generate_advanced"),
        ([1, -1], "generate_advanced"),  # the default may be any number
    ],
)
def test_requests_go_to_the_smallest_bucket_that_fits(steps_client, num_steps, queue):
    out = steps_client.generate(seed=[1, 2], num_steps=num_steps)
    assert out["queue"].tolist() == [queue] * 2


def test_a_signature_that_is_named_is_taken(steps_client):
    name = "generate_advanced"
    out = steps_client.generate(signature=name, seed=[1, 2], num_steps=4)
    assert out["queue"].tolist() == [name] * 2
    assert steps_client.generate(signature=name, seed=1)["images"].tolist() == [3.0]
    with pytest.raises(ValueError, match="Received: seed=None"):
        steps_client.generate(signature=name, num_steps=4)
    with pytest.raises(ValueError, match="Did you mean 'num_steps'"):
        steps_client.generate(signature=name, seed=1, num_step=4)


def test_steps_one_by_one(steps_client):
    shown = steps_client.generate_progressively(seed=[5, 6], num_steps=[1, 4])
    images = [out["images"].tolist() for out in shown]
    assert images == [[1.0, 1.0], [1.0, 2.0], [1.0, 3.0], [1.0, 4.0]]
    # The model's own number of steps where none is given.
    *_, last = steps_client.generate_progressively(seed=[5])
    assert {k: v.tolist() for k, v in last.items()} == {"images": [3.0]}


def test_mistakes_in_a_progress_are_found_at_once(steps_client, client):
    with pytest.raises(ValueError, match="step=1"):
        steps_client.generate_progressively(seed=[1], step=1)
    with pytest.raises(ValueError, match="Received: seed=None"):
        steps_client.generate_progressively(num_steps=3)
    with pytest.raises(ValueError, match="'denoise_step'"):
        client.generate_progressively(seed=[1], labels=[1])
    with pytest.raises(RowError, match="row 1"):
        next(steps_client.generate_progressively(seed=[1, 2], num_steps=[3, 51]))
