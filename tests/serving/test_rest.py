"""REST, asked with plain HTTP: TensorFlow Serving's bodies and errors."""

import base64
import http.client
import json
import socket

import numpy as np
import pytest


@pytest.fixture(scope="module")
def ask(server):
    """Sends a request and returns status, content type and parsed body."""
    connection = http.client.HTTPConnection(server.rest_address, timeout=30)

    def send(method, path, body=None):
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        connection.request(method, path, body)
        response = connection.getresponse()
        raw = response.read()
        return response.status, response.headers["Content-Type"], json.loads(raw)

    yield send
    connection.close()


def _ok(answer):
    status, kind, body = answer
    assert status == 200, body
    assert kind.startswith("application/json")
    return body


def test_rows_of_a_single_input_and_output(ask):
    body = _ok(ask("POST", "/v1/models/linear:predict", {"instances": [2, 3.0, 4]}))
    assert body == {"predictions": [3.0, 3.5, 4.0]}


def test_columns_of_a_single_input_and_output(ask):
    path = "/v1/models/linear/versions/1:predict"
    assert _ok(ask("POST", path, {"inputs": [2.0]})) == {"outputs": [3.0]}
    assert _ok(ask("POST", path, {"inputs": {"x": [2.0]}})) == {"outputs": [3.0]}


def test_rows_of_several(ask, images_of):
    body = _ok(
        ask(
            "POST",
            "/v1/models/digits:predict",
            {
                "signature_name": "generate",
                "instances": [{"seed": 5, "labels": 1}, {"seed": 6, "labels": 99}],
            },
        )
    )
    first, second = body["predictions"]
    assert np.float32(first["images"]).tolist() == images_of([5], [1])[0].tolist()
    assert (first["error"], second["error"]) == ("", "labels: 0 to 9. Received: 99")


def test_columns_of_several(ask, images_of):
    inputs = {"seed": [5, 6], "labels": [1, 2]}
    body = _ok(ask("POST", "/V1/Models/digits:PREDICT", {"inputs": inputs}))
    assert body["outputs"]["error"] == ["", ""]
    np.testing.assert_array_equal(
        np.array(body["outputs"]["images"], np.float32), images_of([5, 6], [1, 2])
    )


def test_base64_in_and_out(ask):
    path = "/v1/models/digits:predict"
    body = _ok(
        ask(
            "POST",
            path,
            {"signature_name": "generate_png", "instances": [{"seed": 1, "labels": 2}]},
        )
    )
    (row,) = body["predictions"]
    assert base64.b64decode(row["image_bytes"]["b64"]).startswith(b"\x89PNG")
    assert row["error"] == ""
    knobs = {"seed": [1], "labels": [2], "scale": [None], "num_steps": [-1]}
    request = {"signature_name": "generate_advanced", "inputs": knobs}
    knobs["style"] = [{"b64": base64.b64encode("café".encode()).decode()}]
    text = json.dumps(request).replace("null", "NaN").encode()
    outputs = _ok(ask("POST", path, text))["outputs"]
    assert (outputs["style"], outputs["num_steps"]) == (["café"], [3])


def test_status(ask):
    expected = {
        "model_version_status": [
            {
                "version": "1",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    assert _ok(ask("GET", "/v1/models/linear")) == expected
    assert _ok(ask("GET", "/v1/models/linear/versions/1")) == expected


def test_metadata(ask):
    body = _ok(ask("GET", "/v1/models/linear/metadata"))
    assert body["model_spec"] == {
        "name": "linear",
        "signature_name": "",
        "version": "1",
    }
    signature = body["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["x"] == {
        "dtype": "DT_FLOAT",
        "name": "serving_default_x:0",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
    }
    assert body == _ok(ask("GET", "/v1/models/linear/versions/1/metadata"))


def test_health(ask):
    assert _ok(ask("GET", "/healthz")) == {"status": "SERVING"}


_PREDICT = "/v1/models/linear:predict"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        (
            "POST",
            "/v1/models/half:predict",
            {"instances": [1]},
            404,
            "Servable not found for request: Latest(half)",
        ),
        (
            "POST",
            "/v1/models/linear/versions/3:predict",
            {"instances": [1]},
            404,
            "Servable not found for request: Specific(linear, 3)",
        ),
        (
            "POST",
            "/v1/models/linear/labels/stable:predict",
            {"instances": [1]},
            400,
            "Unrecognized servable version label: stable",
        ),
        (
            "POST",
            _PREDICT,
            {"signature_name": "x", "instances": [1]},
            400,
            'Serving signature name: "x" not found in signature def',
        ),
        (
            "POST",
            _PREDICT,
            {"signature_name": 100, "instances": [1]},
            400,
            "'signature_name' key must be a string value.",
        ),
        ("POST", _PREDICT, b"", 400, "JSON Parse error: The document is empty"),
        ("POST", _PREDICT, b'{"instances": [1, 2', 400, "JSON Parse error"),
        ("POST", _PREDICT, b"[1]", 400, "Is not object"),
        ("POST", _PREDICT, {}, 400, "Missing 'inputs' or 'instances' key"),
        (
            "POST",
            _PREDICT,
            {"inputs": [1], "instances": [1]},
            400,
            "expecting only one of 'inputs' or 'instances' keys to exist",
        ),
        (
            "POST",
            _PREDICT,
            {"instances": ["x"]},
            400,
            "is not of expected type: float",
        ),
        ("POST", _PREDICT, {"instances": [[1], [2, 3]]}, 400, "unexpected size"),
        ("POST", _PREDICT, {"instances": [[1]]}, 400, "A tensor of shape [?]"),
        ("POST", _PREDICT, {"inputs": {"y": [1]}}, 400, "Missing named input: x"),
        ("POST", _PREDICT, {"instances": [1] * 4097}, 413, "At most 4096 rows"),
        ("POST", "/v1/models/linear:classify", {}, 400, "'examples'"),
        ("POST", "/v1/models/linear:regress", {}, 400, "'examples'"),
        ("POST", "/v1/models/linear", {}, 400, "Malformed request: POST /v1/models/"),
        ("GET", _PREDICT, None, 400, "Malformed request: GET"),
        ("PUT", _PREDICT, {}, 400, "Malformed request: PUT"),
        ("GET", "/v1/models", None, 400, "Malformed request"),
        ("GET", "/v1/models/x", None, 404, "Could not find any versions of model x"),
        (
            "GET",
            "/v1/models/linear/versions/8",
            None,
            404,
            "Could not find version 8 of model linear",
        ),
        (
            "GET",
            f"/v1/models/linear/versions/{10**30}",
            None,
            400,
            "Failed to convert version",
        ),
        ("GET", "/v1/models/x/metadata", None, 404, "Servable not found"),
        ("GET", "/v1/models/..%2Flinear", None, 404, "versions of model ../linear"),
        ("GET", "/v1/models/%ff", None, 404, "Could not find any versions"),
        ("GET", "/", None, 404, "Not found: /"),
        ("GET", "/../../etc/passwd", None, 404, "Not found"),
    ],
)
def test_errors(ask, method, path, body, status, words):
    got, kind, answer = ask(method, path, body)
    assert (got, list(answer)) == (status, ["error"])
    assert words in answer["error"]
    assert kind.startswith("application/json")


def test_an_oversized_body_is_refused_announced_or_not(ask):
    body = b'{"instances": [' + b"1," * 2**19 + b"1]}"
    status, _, answer = ask("POST", _PREDICT, body)
    assert status == 413
    assert "at most 1048576 bytes" in answer["error"]
    chunks = (body[i : i + 2**16] for i in range(0, len(body), 2**16))
    status, _, answer = ask("POST", _PREDICT, chunks)  # sent without a length
    assert status == 413
    assert "at most 1048576 bytes" in answer["error"]


def test_a_body_that_is_only_announced_is_not_waited_for(server):
    host, port = server.rest_address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(
            f"POST {_PREDICT} HTTP/1.1\r\nHost: x\r\n"
            f"Content-Length: {10**12}\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
