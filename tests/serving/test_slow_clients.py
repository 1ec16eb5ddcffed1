"""Clients that connect and do not come to an end: many of them hold up nobody."""

import resource
import socket

import pytest

from tfgenai.serving import Client, rest
from tfgenai.serving.config import Settings
from tfgenai.serving.server import Server

NUM_CLIENTS = 10_000
_MAX_BYTES_EACH = 64 * 2**10


@pytest.fixture
def many_files():
    """Lets the process have a file for each connection."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = NUM_CLIENTS + 1000
    if most not in (resource.RLIM_INFINITY,) and most < needed:
        pytest.skip(f"needs {needed} open files; the system allows {most}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before, needed), most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def _connect(address):
    host, port = address.rsplit(":", 1)
    made = socket.create_connection((host, int(port)), timeout=60)
    made.sendall(b"POST /v1/models/linear:predict HTTP/1.1\r\nHost: x\r\nContent-Le")
    return made


def test_ten_thousand_half_requests(many_files, start, served, resident_bytes):
    server = start(str(served))
    with (
        Client(server.rest, model="linear", protocol="rest") as client,
        Client(server.grpc, model="linear") as other,
    ):
        client.predict("serving_default", x=[2.0])
        before, slow = resident_bytes(server.process.pid), []
        try:
            for _ in range(NUM_CLIENTS):
                slow.append(_connect(server.rest))
            assert client.predict("serving_default", x=[2.0])["y"] == [3.0]
            assert other.predict("serving_default", x=[4.0])["y"] == [4.0]
            used = resident_bytes(server.process.pid) - before
            assert used < NUM_CLIENTS * _MAX_BYTES_EACH
            # One that comes to its end after all is answered.
            slow[-1].sendall(b'ngth: 15\r\n\r\n{"inputs": [2]}')
            assert slow[-1].recv(100).startswith(b"HTTP/1.1 200 OK")
        finally:
            for each in slow:
                each.close()


def test_who_does_not_come_to_an_end_is_cut_off(served, monkeypatch):
    monkeypatch.setattr(rest, "_IDLE_SECONDS", 0.05)
    settings = Settings(settle_seconds=0.0)
    with (
        Server(served, port=0, rest_api_port=0, settings=settings) as server,
        _connect(server.rest_address) as slow,
    ):
        assert slow.recv(100) == b""
