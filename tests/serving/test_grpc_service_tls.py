"""`ssl_config_file`: gRPC speaks TLS, and asks clients for certificates if told to."""

import json

import pytest

from tfgenai.core.errors import ConfigError, UnavailableError
from tfgenai.serving import Client, Server, Settings
from tfgenai.serving.text_config import SslConfig, ssl_from_file

TIMEOUT = 60


@pytest.fixture
def start(served, authority, tmp_path):
    """Starts a server from a file of keys; returns its address."""
    running = []

    def run(*, client_verify):
        certificate, key = authority.issue("server")
        quoted = {
            "server_key": key.read_text(),
            "server_cert": certificate.read_text(),
            "custom_ca": authority.root.read_text(),
        }
        lines = [f"{name}: {json.dumps(text)}" for name, text in quoted.items()] + [
            f"client_verify: {str(client_verify).lower()}"
        ]
        file = tmp_path / "ssl.config"
        file.write_text("\n".join(lines))
        server = Server(
            served,
            port=0,
            rest_api_port=-1,
            settings=Settings(settle_seconds=0.0),
            ssl=ssl_from_file(file),
        )
        running.append(server.start())
        return server.address

    yield run
    for server in running:
        server.stop()


def _ask(address, **more):
    with Client(address, model="linear", timeout=TIMEOUT, **more) as client:
        return client.predict("serving_default", x=[2.0])["y"].tolist()


def test_a_client_that_trusts_the_server_is_answered(start, authority, stranger):
    address = start(client_verify=False)
    assert _ask(address, root_certificates=authority.root) == [3.0]
    with pytest.raises(UnavailableError):
        _ask(address, root_certificates=stranger.root, retries=0)
    with pytest.raises(UnavailableError):
        _ask(address, retries=0)


def test_a_server_that_verifies_clients_asks_for_their_certificate(
    start, authority, stranger
):
    address = start(client_verify=True)
    for signer, is_trusted in ((authority, True), (stranger, False)):
        chain, key = signer.issue("client")
        more = {
            "root_certificates": authority.root,
            "certificate_chain": chain,
            "private_key": key,
            "retries": 0,
        }
        if is_trusted:
            assert _ask(address, **more) == [3.0]
        else:
            with pytest.raises(UnavailableError):
                _ask(address, **more)
    with pytest.raises(UnavailableError):
        _ask(address, root_certificates=authority.root, retries=0)


def test_keys_that_are_none_end_the_start(served):
    server = Server(
        served,
        port=0,
        rest_api_port=-1,
        settings=Settings(settle_seconds=0.0),
        ssl=SslConfig("not a key", "not a certificate"),
    )
    with pytest.raises(ConfigError, match="cannot be bound"):
        server.start()
