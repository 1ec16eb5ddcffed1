"""The asynchronous client: what `Client` answers, awaited, over both protocols."""

import asyncio
import inspect
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from tfgenai.core.errors import RowError, ServingError, UnavailableError
from tfgenai.serving import AsyncClient, Client


@pytest.fixture(params=["grpc", "rest"])
def protocol(request):
    return request.param


@pytest.fixture
def use(server, protocol):
    """Runs `work(client)` in an event loop of its own."""
    address = server.address if protocol == "grpc" else server.rest_address

    def run(work, model="digits", **arguments):
        async def main():
            made = AsyncClient(address, model=model, protocol=protocol, **arguments)
            async with made as client:
                return await work(client)

        return asyncio.run(main())

    return run


def _methods(kind):
    return {
        name: inspect.signature(method)
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


def test_methods_and_arguments_are_those_of_the_client():
    assert inspect.signature(AsyncClient) == inspect.signature(Client)
    ours, theirs = _methods(AsyncClient), _methods(Client)
    assert ours.keys() == theirs.keys()
    for name, signature in ours.items():
        assert signature.parameters == theirs[name].parameters, name


def test_generate(use, images_of):
    async def work(client):
        return await client.generate(seed=[1, 2, 3], labels=[4, 5, 6])

    out = use(work)
    assert list(out) == ["images"]
    np.testing.assert_array_equal(out["images"], images_of([1, 2, 3], [4, 5, 6]))
    out["images"][0] = 0.0  # the caller's own


def test_answers_are_those_of_the_client(use, client):
    async def work(mine):
        return (
            await mine.generate(seed=[1, 2], labels=3, scale=[0.5, 2.0], style="café"),
            await mine.predict("generate_png", {"seed": [1]}, labels=[2]),
            await mine.generate(seed=[1, 2], labels=[4, 50], return_errors=True),
            await mine.metadata(),
            await mine.status(),
        )

    *outputs, metadata, status = use(work)
    expected = (
        client.generate(seed=[1, 2], labels=3, scale=[0.5, 2.0], style="café"),
        client.predict("generate_png", seed=[1], labels=[2]),
        client.generate(seed=[1, 2], labels=[4, 50], return_errors=True),
    )
    for one, other in zip(outputs, expected, strict=True):
        assert one.keys() == other.keys()
        for name, array in one.items():
            assert array.dtype == other[name].dtype
            np.testing.assert_array_equal(array, other[name])
    assert (metadata, status) == (client.metadata(), client.status())


def test_many_at_once(use, images_of):
    async def work(client):
        calls = [client.generate(seed=[i], labels=[i % 10]) for i in range(40)]
        return await asyncio.gather(*calls)

    for i, out in enumerate(use(work)):
        np.testing.assert_array_equal(out["images"], images_of([i], [i % 10]))


@pytest.mark.parametrize(
    ("inputs", "error", "words"),
    [
        ({"seed": [1], "lables": [1]}, ValueError, "Did you mean 'labels'"),
        ({"seed": [1]}, ValueError, "Received: labels=None"),
        ({"seed": [0.5], "labels": [1]}, TypeError, "Received: seed="),
        ({"seed": [1], "labels": [50]}, RowError, "row 0"),
        ({"seed": [1], "labels": [1], "timeout": 0}, ValueError, "timeout=0"),
        ({"seed": range(5000), "labels": 0}, ServingError, "At most 4096 rows"),
    ],
)
def test_mistakes_are_those_of_the_client(use, client, inputs, error, words):
    async def work(mine):
        await mine.generate(**inputs)

    with pytest.raises(error, match=words):
        use(work)
    with pytest.raises(error, match=words):
        client.generate(**inputs)


def test_the_servers_words_arrive(use):
    async def work(client):
        await client.predict("fail", x=[1.0])

    with pytest.raises(ServingError, match="too large") as caught:
        use(work)
    assert "asked for signature 'fail' of model 'digits'" in str(caught.value)
    assert caught.value.code == "INVALID_ARGUMENT"


def test_names_in_urls_are_quoted_once(use):
    async def work(client):
        await client.status()

    with pytest.raises(ServingError, match="any versions of model a/b:%c"):
        use(work, model="a/b:%c")


def test_messages_that_are_too_large(use):
    """100 times 1000 numbers of 4 bytes and more; a request of 4000 rows."""

    async def ask(client):
        await client.predict("wide", x=np.zeros(100))

    async def send(client):
        await client.generate(seed=np.arange(4000), labels=0)

    with pytest.raises(ServingError, match=r"larger than max|more than max") as caught:
        use(ask, max_message_bytes=100_000)
    assert caught.value.code == "RESOURCE_EXHAUSTED"
    with pytest.raises(ValueError, match="max_message_bytes=20000 was expected"):
        use(send, max_message_bytes=20_000)


def test_loops_need_their_signatures(use):
    async def steps(client):
        async for _ in client.generate_progressively(seed=[1], labels=[1]):
            pass

    async def pieces(client):
        async for _ in client.stream("a"):
            pass

    with pytest.raises(ValueError, match="'denoise_step'"):
        use(steps)
    with pytest.raises(ValueError, match="'decode_chunk'"):
        use(pieces)


def test_a_closed_client_says_so(use, client):
    async def work(mine):
        await mine.status()
        await mine.close()
        await mine.status()

    with pytest.raises(ValueError, match=r"'digits' that was closed"):
        use(work)
    client.close()
    with pytest.raises(ValueError, match=r"'digits' that was closed"):
        client.status()


def test_a_second_event_loop_is_refused(server):
    client = AsyncClient(server.address, model="digits")
    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(client.status())
        with pytest.raises(ValueError, match="Make a client in each"):
            second.run(client.status())
        first.run(client.close())


@pytest.fixture
def silent():
    """A gRPC server that never answers, and an event for a call that was given up."""
    called, ended, release = (threading.Event() for _ in range(3))

    def answer(request, context):
        context.add_callback(ended.set)
        called.set()
        release.wait()
        return b""

    class Handler(grpc.GenericRpcHandler):
        def service(self, details):
            return grpc.unary_unary_rpc_method_handler(answer)

    workers = ThreadPoolExecutor(4)
    server = grpc.server(workers, handlers=[Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", called, ended
    release.set()
    server.stop(None).wait()
    workers.shutdown()


def test_a_deadline_is_kept_and_not_retried(silent):
    async def main():
        async with AsyncClient(silent[0], model="m", timeout=0.05) as client:
            await client.status()

    with pytest.raises(UnavailableError, match="in 1 try") as caught:
        asyncio.run(main())
    assert caught.value.code == "DEADLINE_EXCEEDED"


def test_what_is_cancelled_is_cancelled_at_the_server(silent):
    address, called, ended = silent

    async def main():
        async with AsyncClient(address, model="m") as client:
            waiting = asyncio.create_task(client.status())
            await asyncio.to_thread(called.wait)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await asyncio.to_thread(ended.wait)

    asyncio.run(main())
    assert ended.is_set()


@pytest.mark.parametrize(
    ("protocol", "unused"), [("grpc", {"aiohttp", "urllib3"}), ("rest", {"grpc"})]
)
def test_only_what_is_used_is_imported(server, protocol, unused):
    """No TensorFlow in either case, even after a call."""
    address = server.address if protocol == "grpc" else server.rest_address
    script = f"""
import asyncio, sys
from tfgenai.serving import AsyncClient

async def main():
    made = AsyncClient({address!r}, model="digits", protocol={protocol!r})
    async with made as client:
        await client.generate(seed=1, labels=1)

assert not {{"grpc", "aiohttp", "urllib3"}} & set(sys.modules)
asyncio.run(main())
print(sorted(({unused!r} | {{"tensorflow", "keras"}}) & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
