"""REST answers of servers that are none, or say what no client can read."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

import numpy as np
import pytest

from tfgenai.core.errors import ServingError, UnavailableError
from tfgenai.serving import AsyncClient, Client


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
    with (
        _client(address, retries=0) as client,
        pytest.raises(UnavailableError, match="queue"),
    ):
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


@pytest.fixture
def raw():
    """Serves by a function of the handler; counts connections."""
    servers = []

    def start(answer):
        connections = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                connections.append(self.client_address)
                super().setup()

            def do_GET(self):
                answer(self)

            def log_message(self, *arguments):
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                pass  # a client that hung up, as it should

        server = Server(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        return f"127.0.0.1:{server.server_address[1]}", connections

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(params=["sync", "async"])
def ask(request):
    """Asks for the status, once or several times, by either client."""

    def ask_sync(address, times=1, **arguments):
        with _client(address, **arguments) as client:
            return [client.status() for _ in range(times)]

    async def wait_for(address, times, **arguments):
        made = AsyncClient(address, model="m", protocol="rest", **arguments)
        async with made as client:
            return [await client.status() for _ in range(times)]

    def ask_async(address, times=1, **arguments):
        return asyncio.run(wait_for(address, times, **arguments))

    return ask_sync if request.param == "sync" else ask_async


def _send(handler, body, length=None, status=200, **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(length or len(body)))
    handler.end_headers()
    handler.wfile.write(body)


_NO_VERSIONS = b'{"model_version_status": []}'


def test_a_connection_is_used_again(raw, ask):
    address, connections = raw(lambda handler: _send(handler, _NO_VERSIONS))
    assert ask(address, times=5) == [[]] * 5
    assert len(connections) == 1


def test_half_an_answer_is_no_answer(raw, ask):
    def answer(handler):
        _send(handler, _NO_VERSIONS, length=1000)
        handler.close_connection = True

    address, _ = raw(answer)
    with pytest.raises(UnavailableError) as caught:
        ask(address, retries=0)
    assert caught.value.code == "UNAVAILABLE"


def test_an_answer_without_an_end_ends_at_the_deadline(raw, ask):
    """Although every piece of it comes in time."""

    def answer(handler):
        _send(handler, b"", length=2**62)
        while True:
            handler.wfile.write(b" " * 100)

    address, _ = raw(answer)
    with pytest.raises(UnavailableError, match="in 1 try") as caught:
        ask(address, timeout=0.2)
    assert caught.value.code == "DEADLINE_EXCEEDED"


def test_an_answer_that_stops_ends_at_the_deadline(raw, ask):
    gone = threading.Event()

    def answer(handler):
        _send(handler, b" ", length=100)
        handler.rfile.read()
        gone.set()

    address, _ = raw(answer)
    with pytest.raises(UnavailableError, match="in 1 try") as caught:
        ask(address, timeout=0.05)
    assert caught.value.code == "DEADLINE_EXCEEDED"
    gone.wait()


@pytest.mark.parametrize("body", [b"{}", b'{"model_version_status": 3}', b"", b"[]"])
def test_json_of_something_else(raw, ask, body):
    address, _ = raw(lambda handler: _send(handler, body))
    with pytest.raises(ServingError, match=r"no (answer|JSON) of a model") as caught:
        ask(address)
    assert caught.value.code == "UNKNOWN"


def test_redirects_are_not_followed(raw, ask):
    """Whoever answers elsewhere is not whom the caller chose to send data to."""
    address, connections = raw(
        lambda handler: _send(handler, b"", status=302, Location="/elsewhere")
    )
    with pytest.raises(ServingError, match="HTTP 302"):
        ask(address)
    assert len(connections) == 1


@pytest.mark.parametrize(
    "address",
    ["http://[a", "a:what", "a:99999", "a b:1", "http://:80", "ftp://a", "a:1?b"],
)
def test_an_address_that_is_none(address):
    with pytest.raises(ValueError, match="Received: address=") as caught:
        _client(address)
    assert repr(address) in str(caught.value)


def test_a_host_that_cannot_be_one(ask):
    with pytest.raises(ServingError, match="no URL") as caught:
        ask("a..b:1")
    assert caught.value.code == "INVALID_ARGUMENT"
