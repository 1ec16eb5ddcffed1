"""REST answers of servers that are none, or say what the client cannot read."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from tfgenai.core.errors import ServingError, UnavailableError
from tfgenai.serving import Client


@pytest.fixture
def serve():
    """Answers every request with one status and body; remembers what it was asked."""
    servers = []

    def start(status, *bodies):
        asked, left = [], list(bodies)

        class Handler(BaseHTTPRequestHandler):
            def _answer(self):
                length = int(self.headers.get("Content-Length", 0))
                asked.append((self.path, self.rfile.read(length)))
                body = left.pop(0) if len(left) > 1 else left[0]
                if not isinstance(body, bytes):
                    body = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _answer

            def log_message(self, *arguments):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        return f"127.0.0.1:{server.server_address[1]}", asked

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def _client(address, **arguments):
    return Client(address, model="m", protocol="rest", **arguments)


@pytest.mark.parametrize(
    ("status", "body", "code", "words"),
    [
        (200, b"<html>", "UNKNOWN", "HTTP 200"),
        (200, [1], "UNKNOWN", "no JSON of a model"),
        (404, b"<html>", "NOT_FOUND", "HTTP 404"),
        (404, {"error": "no such model"}, "NOT_FOUND", "no such model"),
        (500, {"error": 3}, "INTERNAL", "HTTP 500"),
    ],
)
def test_answers_that_are_none(serve, status, body, code, words):
    address, _ = serve(status, body)
    with _client(address) as client, pytest.raises(ServingError) as caught:
        client.status()
    assert caught.value.code == code
    assert words in str(caught.value)


def test_an_overloaded_server_is_unavailable(serve):
    address, _ = serve(503, {"error": "queue is full"})
    with _client(address) as client, pytest.raises(UnavailableError, match="queue"):
        client.status()


_INFO = {"tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}}


def test_what_is_sent_and_types_that_are_not_spoken(serve):
    """The body as TensorFlow Serving takes it; a bfloat16 output is left out."""
    fields = {
        "inputs": {
            "x": {"dtype": "DT_FLOAT", **_INFO},
            "name": {"dtype": "DT_STRING", **_INFO},
        },
        "outputs": {
            "y": {"dtype": "DT_FLOAT", **_INFO},
            "odd": {"dtype": "DT_BFLOAT16", **_INFO},
        },
    }
    metadata = {
        "model_spec": {"name": "m", "signature_name": "", "version": "7"},
        "metadata": {"signature_def": {"signature_def": {"call": fields}}},
    }
    address, asked = serve(200, metadata, {"outputs": [0.2]})
    with _client(address, version=7) as client:
        out = client.predict("call", x=[np.nan], name=["é"])
    assert out["y"].tolist() == [np.float32(0.2)]
    (metadata_path, _), (predict_path, body) = asked
    assert metadata_path == "/v1/models/m/versions/7/metadata"
    assert predict_path == "/v1/models/m/versions/7:predict"
    assert json.loads(body, parse_constant=str) == {
        "signature_name": "call",
        "inputs": {"x": ["NaN"], "name": [{"b64": "w6k="}]},
    }
