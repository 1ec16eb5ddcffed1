"""The options of the client's gRPC channels, and answers that are none."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from tfgenai.core.errors import ServingError
from tfgenai.serving import AsyncClient, Client
from tfgenai.serving.client_calls import Connection
from tfgenai.serving.client_grpc import channel_options

# What gRPC's servers allow where nobody tells them otherwise: doc/keepalive.md there,
# GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS.
_SERVERS_LEAST_PING_MS = 300_000


def _options(**arguments):
    with Client("127.0.0.1:1", model="m", **arguments) as client:
        return dict(channel_options(client._connection))


def test_pings_are_such_that_a_stock_server_bears():
    options = _options()
    assert options["grpc.keepalive_time_ms"] >= _SERVERS_LEAST_PING_MS
    assert options["grpc.keepalive_permit_without_calls"] == 0


def test_pings_are_a_choice():
    assert _options(keepalive=12.5)["grpc.keepalive_time_ms"] == 12_500
    assert not [name for name in _options(keepalive=None) if "keepalive" in name]


def test_grpc_itself_does_not_ask_again():
    assert _options()["grpc.enable_retries"] == 0


def test_messages_are_as_large_as_told():
    options = channel_options(Connection("a:1", None, None, 1234))
    assert dict(options)["grpc.max_receive_message_length"] == 1234
    assert dict(options)["grpc.max_send_message_length"] == 1234


@pytest.fixture
def garbled():
    """A server that answers everything by bytes that are no message."""

    class Handler(grpc.GenericRpcHandler):
        def service(self, details):
            return grpc.unary_unary_rpc_method_handler(lambda body, context: b"\xff")

    workers = ThreadPoolExecutor(1)
    server = grpc.server(workers, handlers=[Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()
    workers.shutdown()


def test_bytes_that_are_no_answer(garbled):
    async def main():
        async with AsyncClient(garbled, model="m") as client:
            await client.status()

    with Client(garbled, model="m") as client:
        for ask in (client.status, client.metadata, lambda: asyncio.run(main())):
            with pytest.raises(ServingError, match="1 bytes that are no answer") as e:
                ask()
            assert e.value.code == "UNKNOWN"
