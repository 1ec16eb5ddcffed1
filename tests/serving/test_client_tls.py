"""Encrypted connections: both clients and protocols, certificates made for the test."""

import asyncio
import json
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest

from tfgenai.core.errors import UnavailableError
from tfgenai.serving import AsyncClient, Client
from tfgenai.serving.wire import messages_pb2


def _start_grpc(chain, key, root):
    class Handler(grpc.GenericRpcHandler):
        def service(self, details):
            entry = messages_pb2.ModelVersionStatus(version=7, state=30)
            body = messages_pb2.GetModelStatusResponse(model_version_status=[entry])
            return grpc.unary_unary_rpc_method_handler(
                lambda request, context: body.SerializeToString()
            )

    credentials = grpc.ssl_server_credentials(
        [(key.read_bytes(), chain.read_bytes())],
        root_certificates=root.read_bytes() if root else None,
        require_client_auth=root is not None,
    )
    workers = ThreadPoolExecutor(1)
    server = grpc.server(workers, handlers=[Handler()])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()

    def stop():
        server.stop(None).wait()
        workers.shutdown()

    return f"127.0.0.1:{port}", stop


def _start_rest(chain, key, root):
    state = {"error_code": "OK", "error_message": ""}
    entry = {"version": "7", "state": "AVAILABLE", "status": state}
    body = json.dumps({"model_version_status": [entry]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            pass  # a handshake that failed, as it should

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    if root is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(root)
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()

    def stop():
        server.shutdown()
        thread.join()
        server.server_close()

    return f"127.0.0.1:{server.server_address[1]}", stop


@pytest.fixture(params=["grpc", "rest"])
def protocol(request):
    return request.param


@pytest.fixture
def serve(protocol, authority):
    """Starts an encrypted server; with `root`, one that asks for a certificate."""
    stops = []

    def start(root=None):
        begin = _start_grpc if protocol == "grpc" else _start_rest
        address, stop = begin(*authority.issue("server"), root)
        stops.append(stop)
        return address

    yield start
    for stop in stops:
        stop()


@pytest.fixture(params=["sync", "async"])
def ask(request, protocol):
    def ask_sync(address, **arguments):
        with Client(address, model="m", protocol=protocol, **arguments) as client:
            return client.status()

    async def wait_for(address, **arguments):
        made = AsyncClient(address, model="m", protocol=protocol, **arguments)
        async with made as client:
            return await client.status()

    def ask_async(address, **arguments):
        return asyncio.run(wait_for(address, **arguments))

    return ask_sync if request.param == "sync" else ask_async


def test_a_server_whose_certificate_is_trusted(serve, ask, authority):
    (status,) = ask(serve(), root_certificates=authority.root)
    assert status.version == 7


def test_a_url_says_that_it_is_encrypted(serve, ask, authority, protocol):
    address = serve()
    if protocol == "rest":
        address = f"https://{address}"
    assert ask(address, tls=True, root_certificates=str(authority.root))


def test_a_certificate_that_is_not_trusted(serve, ask, stranger):
    """Neither by another authority nor by those that a machine trusts anyway."""
    address = serve()
    for arguments in ({"root_certificates": stranger.root}, {"tls": True}):
        with pytest.raises(UnavailableError, match=r"(?i)certificate.verify") as caught:
            ask(address, retries=0, **arguments)
        assert caught.value.code == "UNAVAILABLE"


def test_an_untrusted_certificate_is_not_asked_again(serve, ask, stranger):
    with pytest.raises(UnavailableError, match="in 1 try"):
        ask(serve(), root_certificates=stranger.root)


def test_an_unencrypted_client_is_not_answered(serve, ask):
    with pytest.raises(UnavailableError):
        ask(serve(), retries=0)


def test_a_client_with_a_certificate_of_its_own(serve, ask, authority):
    address = serve(root=authority.root)
    chain, key = authority.issue("client")
    (status,) = ask(
        address,
        root_certificates=authority.root,
        certificate_chain=chain,
        private_key=key,
    )
    assert status.version == 7
    with pytest.raises(UnavailableError):
        ask(address, root_certificates=authority.root, retries=0)


def _broken(kind, tmp_path, authority):
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    chain, key = authority.issue("own")
    _, other = authority.issue("other")
    locked_chain, locked = authority.issue("locked", password=b"secret")
    root = {"root_certificates": authority.root}
    return {
        "no file": {"root_certificates": tmp_path / "none.pem"},
        "no certificate": {"root_certificates": empty},
        "no key": root | {"certificate_chain": chain},
        "no chain": {"private_key": key},
        "a key of another": {"certificate_chain": chain, "private_key": other},
        "a locked key": {"certificate_chain": locked_chain, "private_key": locked},
        "tls off": root | {"tls": False},
    }[kind]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("no file", r"root_certificates=.*none\.pem.*No such file"),
        ("no certificate", r"root_certificates=.*empty\.pem"),
        ("no key", "private_key=None"),
        ("no chain", "certificate_chain=None"),
        ("a key of another", r"certificate_chain=.*own\.crt.*(?i:mismatch)"),
        ("a locked key", r"certificate_chain=.*locked\.crt"),
        ("tls off", "tls=False and root_certificates="),
    ],
)
def test_files_are_checked_before_anything_is_sent(
    kind, words, tmp_path, authority, protocol
):
    arguments = _broken(kind, tmp_path, authority)
    with pytest.raises(ValueError, match=words):
        Client("127.0.0.1:1", model="m", protocol=protocol, **arguments)


@pytest.mark.parametrize(
    ("url", "tls"), [("http://127.0.0.1:1", True), ("https://127.0.0.1:1", False)]
)
def test_a_url_and_tls_must_agree(url, tls):
    with pytest.raises(ValueError, match=f"tls={tls}"):
        Client(url, model="m", protocol="rest", tls=tls)
