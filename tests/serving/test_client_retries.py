"""How both clients ask again over both protocols, at servers that fail as told."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
import pytest

from tfgenai.core.errors import ServingError, UnavailableError
from tfgenai.serving import AsyncClient, Client, Retry
from tfgenai.serving.wire import messages_pb2

_HTTP = {
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 413,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_STATUS = {
    "version": "7",
    "state": "AVAILABLE",
    "status": {"error_code": "OK", "error_message": ""},
}


class Waits:
    """A clock that moves only while somebody sleeps by it."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def sleep(self, seconds):
        self.slept.append(round(seconds, 6))
        self.now += seconds

    async def async_sleep(self, seconds):
        self.sleep(seconds)

    def retry(self, *arguments, is_async=False, random=lambda: 1.0, **more):
        sleep = self.async_sleep if is_async else self.sleep
        clock = lambda: self.now  # noqa: E731
        return Retry(*arguments, clock=clock, sleep=sleep, random=random, **more)


class Front:
    """Answers each request by the next of its codes, and "OK" when there is none.

    A code may come with the seconds after which to come back, and "RESET" hangs up.
    """

    def __init__(self, protocol, *codes):
        self.num_asked, self._codes = 0, list(codes)
        start = self._start_grpc if protocol == "grpc" else self._start_rest
        start()

    def next(self):
        self.num_asked += 1
        code = self._codes.pop(0) if self._codes else "OK"
        return code if isinstance(code, tuple) else (code, None)

    def _start_grpc(self):
        def answer(request, context):
            code, after = self.next()
            if code == "OK":
                entry = messages_pb2.ModelVersionStatus(version=7, state=30)
                response = messages_pb2.GetModelStatusResponse()
                response.model_version_status.append(entry)
                return response.SerializeToString()
            if after is not None:
                pushback = ("grpc-retry-pushback-ms", str(round(1000 * after)))
                context.set_trailing_metadata([pushback])
            return context.abort(getattr(grpc.StatusCode, code), "its own words")

        class Handler(grpc.GenericRpcHandler):
            def service(self, details):
                return grpc.unary_unary_rpc_method_handler(answer)

        workers = ThreadPoolExecutor(1)
        server = grpc.server(workers, handlers=[Handler()])
        self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()

        def stop():
            server.stop(None).wait()
            workers.shutdown()

        self.stop = stop

    def _start_rest(self):
        front = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                code, after = front.next()
                if code == "RESET":
                    self.close_connection = True
                    return
                body = json.dumps(
                    {"model_version_status": [_STATUS]}
                    if code == "OK"
                    else {"error": "its own words"}
                )
                number = code if isinstance(code, int) else _HTTP.get(code, 200)
                self.send_response(number)
                if after is not None:
                    self.send_header("Retry-After", str(after))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *arguments):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()

        def stop():
            server.shutdown()
            thread.join()
            server.server_close()

        self.stop = stop


@pytest.fixture
def front():
    made = []

    def start(protocol, *codes):
        made.append(Front(protocol, *codes))
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.fixture(params=["grpc", "rest"])
def protocol(request):
    return request.param


@pytest.fixture
def waits():
    return Waits()


@pytest.fixture(params=["sync", "async"])
def ask(request, protocol, waits):
    """Asks a server for the status of model `m`, with retries by the false clock."""

    def ask_sync(address, *, retry=(), **arguments):
        arguments["retries"] = waits.retry(*retry)
        with Client(address, model="m", protocol=protocol, **arguments) as client:
            return client.status()

    async def wait_for(address, *, retry=(), **arguments):
        arguments["retries"] = waits.retry(*retry, is_async=True)
        async with AsyncClient(
            address, model="m", protocol=protocol, **arguments
        ) as client:
            return await client.status()

    def ask_async(*arguments, **more):
        return asyncio.run(wait_for(*arguments, **more))

    return ask_sync if request.param == "sync" else ask_async


def test_an_absent_server_is_asked_again(front, protocol, ask, waits):
    server = front(protocol, "UNAVAILABLE", "UNAVAILABLE", "UNAVAILABLE")
    (status,) = ask(server.address)
    assert status.version == 7
    assert server.num_asked == 4
    assert waits.slept == [0.2, 0.4, 0.8]


def test_it_gives_up_after_its_retries(front, protocol, ask):
    server = front(protocol, *["UNAVAILABLE"] * 9)
    with pytest.raises(UnavailableError, match=r"its own words.*in 3 tries") as caught:
        ask(server.address, retry=(2,))
    assert server.num_asked == 3
    assert caught.value.code == "UNAVAILABLE"
    for part in (repr(server.address), protocol, "asked for status of model 'm'"):
        assert part in str(caught.value)


def test_no_retries(front, protocol, ask, waits):
    server = front(protocol, "UNAVAILABLE")
    with pytest.raises(UnavailableError, match="in 1 try and"):
        ask(server.address, retry=(0,))
    assert (server.num_asked, waits.slept) == (1, [])


@pytest.mark.parametrize("code", sorted(_HTTP.keys() - {"UNAVAILABLE"}))
def test_what_is_refused_for_good_is_asked_once(front, protocol, ask, code, waits):
    server = front(protocol, code)
    with pytest.raises(ServingError, match="its own words") as caught:
        ask(server.address)
    assert caught.value.code == code
    assert repr(server.address) in str(caught.value)
    assert (server.num_asked, waits.slept) == (1, [])


def test_one_deadline_over_all_tries(front, protocol, ask, waits):
    """After 0.2 and 0.4 s the third wait of 0.8 s would end after 1 s."""
    server = front(protocol, *["UNAVAILABLE"] * 9)
    with pytest.raises(UnavailableError, match="within 1 seconds") as caught:
        ask(server.address, timeout=1.0)
    assert server.num_asked == 3
    assert waits.slept == [0.2, 0.4]
    assert "in 3 tries and 0.6 seconds" in str(caught.value)


def test_the_server_says_when_to_come_back(front, protocol, ask, waits):
    code = "UNAVAILABLE"
    server = front(protocol, (code, 2), (code, 3))
    ask(server.address)
    assert waits.slept == [2.2, 3.4]


def test_too_late_is_not_waited_for(front, protocol, ask, waits):
    server = front(protocol, ("UNAVAILABLE", 60))
    with pytest.raises(UnavailableError, match="asks to wait 60 seconds"):
        ask(server.address, timeout=30.0)
    assert (server.num_asked, waits.slept) == (1, [])


def test_nobody_there_is_asked_for_again(protocol, ask, waits):
    with pytest.raises(UnavailableError, match="in 3 tries") as caught:
        ask("127.0.0.1:9", retry=(2,))
    assert caught.value.code == "UNAVAILABLE"
    assert len(waits.slept) == 2


@pytest.mark.parametrize("protocol", ["rest"], indirect=True)
@pytest.mark.parametrize("code", [(429, 5), 429, 502])
def test_other_failures_of_http_that_pass(front, protocol, ask, code, waits):
    server = front(protocol, code)
    (status,) = ask(server.address)
    assert status.version == 7
    assert server.num_asked == 2
    assert waits.slept == [5.2 if code == (429, 5) else 0.2]


@pytest.mark.parametrize("protocol", ["rest"], indirect=True)
def test_a_connection_that_breaks(front, protocol, ask, waits):
    """aiohttp asks for what it GETs once more by itself, without a wait."""
    server = front(protocol, "RESET", "RESET")
    (status,) = ask(server.address)
    assert status.version == 7
    assert server.num_asked == 3
    assert waits.slept in ([0.2], [0.2, 0.4])


@pytest.mark.parametrize("protocol", ["rest"], indirect=True)
def test_a_server_that_stays_too_busy(front, protocol, ask):
    server = front(protocol, *[429] * 9)
    with pytest.raises(ServingError, match=r"its own words.*in 4 tries") as caught:
        ask(server.address)
    assert caught.value.code == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize("protocol", ["grpc"], indirect=True)
def test_a_grpc_server_may_ask_to_stay_away(front, protocol, ask):
    server = front(protocol, ("UNAVAILABLE", -1))
    with pytest.raises(UnavailableError, match="in 1 try"):
        ask(server.address)


def test_the_clients_count_is_checked_before_anything_is_sent():
    with pytest.raises(ValueError, match="num_retries=-2"):
        Client("127.0.0.1:1", model="m", retries=-2)
