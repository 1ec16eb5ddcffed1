"""The client: both protocols alike, knobs filled in, mistakes named."""

import subprocess
import sys

import numpy as np
import pytest

from tfgenai.core.errors import RowError, ServingError, UnavailableError
from tfgenai.serving import Client, Retry


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
        ({"timeout": float("inf")}, "timeout=inf"),
        ({"keepalive": 5.0}, "keepalive=5.0"),
        ({"keepalive": float("inf")}, "keepalive=inf"),
        ({"max_message_bytes": 0}, "max_message_bytes=0"),
        ({"max_message_bytes": 2**31}, f"max_message_bytes={2**31}"),
        ({"version": 1, "label": "stable"}, "A version or a label"),
    ],
)
def test_arguments_are_checked(arguments, words):
    with pytest.raises(ValueError, match=words):
        Client("127.0.0.1:1", model="m", **arguments)


@pytest.mark.parametrize("address", ["", 8500, "http://a:1", "https://a:1"])
def test_a_grpc_address_is_a_host_and_a_port(address):
    with pytest.raises(ValueError, match=f"address={address!r}"):
        Client(address, model="m")


def test_a_request_that_is_too_large_is_not_sent(server, protocol):
    address = server.address if protocol == "grpc" else server.rest_address
    with Client(
        address, model="digits", protocol=protocol, max_message_bytes=20_000
    ) as client:
        with pytest.raises(ValueError, match=r"max_message_bytes=20000 was expected"):
            client.generate(seed=np.arange(4000), labels=0)
        assert len(client.generate(seed=np.arange(20), labels=0)["images"]) == 20


def test_an_answer_that_is_too_large_is_refused(server, protocol):
    """100 times 1000 numbers of 4 bytes and more."""
    address = server.address if protocol == "grpc" else server.rest_address
    with Client(
        address, model="digits", protocol=protocol, max_message_bytes=100_000
    ) as client:
        with pytest.raises(ServingError, match=r"larger than max|more than max") as e:
            client.predict("wide", x=np.zeros(100))
        assert e.value.code == "RESOURCE_EXHAUSTED"
        assert client.predict("wide", x=[2.0])["y"].shape == (1, 1000)


def test_one_deadline_over_all_that_a_call_asks(server, protocol):
    """The metadata come in time; no time is left for the signature after them."""
    times = iter([0.0, 0.0])
    address = server.address if protocol == "grpc" else server.rest_address
    retries = Retry(clock=lambda: next(times, 2.0))
    with (
        Client(
            address, model="digits", protocol=protocol, timeout=1.0, retries=retries
        ) as client,
        pytest.raises(
            UnavailableError, match="'generate' of model 'digits' in 0 tries"
        ),
    ):
        client.generate(seed=1, labels=1)


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
