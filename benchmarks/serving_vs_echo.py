"""`tfgenai serve` against an empty gRPC echo in Python: requests a second, latencies.

Server and client are processes of their own, on the same processors. The echo answers
with the bytes that it was sent; it bounds what a Python server can reach. Both are
asked by the same client, in turn. `ratio` is that of the medians at 32 clients.

Also measured: REST; a batch of 64 images against the same run in this process; and
short texts among long ones against short texts alone.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import grpc
import numpy as np
from side_by_side import RESULTS, describe_machine

CLIENTS = (1, 8, 32)
PREDICT = "/tensorflow.serving.PredictionService/Predict"
BATCHING = Path(__file__).parents[1] / "serving" / "batching.config"
ECHO = """
import asyncio, grpc, sys

async def echo(body, context):
    return body

async def main():
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(echo)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(
        "tensorflow.serving.PredictionService", {"Predict": handler})])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()

asyncio.run(main())
"""


def export_models(folder: Path) -> None:
    """A small MLP generator, and a GPT of bytes."""
    import tfgenai as tg

    vae = tg.VAE(image_shape=(28, 28, 1), latent_dim=16, network="mlp")
    vae.export_serving(folder / "mlp")
    gpt = tg.GPT(
        tokenizer=tg.data.tokenizers.ByteTokenizer(),
        max_sequence_length=256,
        num_layers=2,
        num_heads=2,
        hidden_dim=64,
    )
    gpt.export_serving(folder / "gpt")


@contextlib.contextmanager
def serving(folder: Path, *flags: str):
    command = [sys.executable, "-m", "tfgenai", "serve", str(folder), "--json"]
    command += ["--port=0", "--rest_api_port=0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield json.loads(process.stdout.readline()) | {"pid": process.pid}
        finally:
            process.terminate()


@contextlib.contextmanager
def echoing():
    command = [sys.executable, "-c", ECHO]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def request(model: str, signature: str = "generate", **inputs: np.ndarray) -> bytes:
    from tfgenai.serving import tensors
    from tfgenai.serving.wire import messages_pb2

    message = messages_pb2.PredictRequest()
    message.model_spec.name = model
    message.model_spec.signature_name = signature
    for name, array in inputs.items():
        tensors.fill(message.inputs[name], array)
    return message.SerializeToString()


async def load_grpc(
    address: str, body: bytes, clients: int, seconds: float
) -> list[float]:
    """Latencies of as many requests as are answered in a time, seconds."""
    options = [("grpc.max_receive_message_length", -1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        call = channel.unary_unary(PREDICT)
        return await _load(lambda: call(body), clients, seconds)


async def load_rest(
    address: str, document: dict, clients: int, seconds: float
) -> list[float]:
    import aiohttp

    data = json.dumps(document).encode()
    url = f"http://{address}/v1/models/mlp:predict"
    async with aiohttp.ClientSession() as session:

        async def ask() -> None:
            async with session.post(url, data=data) as answer:
                body = await answer.read()
                if answer.status != 200:
                    raise RuntimeError(body)

        return await _load(ask, clients, seconds)


async def _load(ask, clients: int, seconds: float) -> list[float]:
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        while (start := time.perf_counter()) < end:
            await ask()
            latencies.append(time.perf_counter() - start)

    await asyncio.gather(*(one() for _ in range(clients)))
    return latencies


def summary(latencies: list[float], seconds: float) -> dict[str, float]:
    return {
        "per_second": len(latencies) / seconds,
        "p50_ms": 1e3 * float(np.percentile(latencies, 50)),
        "p99_ms": 1e3 * float(np.percentile(latencies, 99)),
    }


def compare_rates(addresses: dict, rounds: int, seconds: float) -> dict:
    """Echo and server over gRPC, the server over REST, by numbers of clients."""
    body = request("mlp", seed=np.array([7], np.int64))
    document = {"signature_name": "generate", "instances": [{"seed": 7}]}
    found: dict[str, dict[int, list[dict]]] = {}
    for number in range(rounds + 1):
        for clients in CLIENTS:
            runs = {
                "echo": load_grpc(addresses["echo"], body, clients, seconds),
                "grpc": load_grpc(addresses["grpc"], body, clients, seconds),
                "rest": load_rest(addresses["rest"], document, clients, seconds),
            }
            for side, run in runs.items():
                measured = summary(asyncio.run(run), seconds)
                if number:  # the first round warms both up
                    found.setdefault(side, {}).setdefault(clients, []).append(measured)
    return {
        side: {
            str(clients): {
                figure: statistics.median(run[figure] for run in runs)
                for figure in runs[0]
            }
            for clients, runs in by_clients.items()
        }
        for side, by_clients in found.items()
    }


def compare_large_batch(folder: Path, address: str, rounds: int) -> dict:
    """64 images over gRPC, and the same run without a server."""
    import tfgenai as tg
    from tfgenai.serving.config import Settings
    from tfgenai.serving.servable import Servable

    seeds = np.arange(64)
    servable = Servable("mlp", 1, folder / "mlp" / "1", Settings())
    signature = servable.signature("generate")
    times: dict[str, list[float]] = {"served": [], "in_process": []}
    with tg.serving.Client(address, model="mlp") as client:
        for _ in range(20 * rounds):
            start = time.perf_counter()
            served = client.predict("generate", seed=seeds)["images"]
            middle = time.perf_counter()
            alone = servable.run(signature, {"seed": seeds}, ("images",))["images"]
            times["in_process"].append(time.perf_counter() - middle)
            times["served"].append(middle - start)
    np.testing.assert_allclose(served, alone, atol=1e-4)
    medians = {side: 1e3 * statistics.median(found) for side, found in times.items()}
    return {f"{side}_ms": value for side, value in medians.items()} | {
        "ratio": medians["served"] / medians["in_process"]
    }


async def mixed_lengths(address: str, seconds: float) -> dict:
    """Latency of short texts, alone and while long ones are asked for as well."""

    import tfgenai as tg
    from tfgenai.serving.client_inputs import choose_signature, to_rows

    with tg.serving.Client(address, model="gpt") as client:
        signatures = client.metadata().signatures

    def text(tokens: int) -> bytes:
        given = {"prompts": ["once"], "seed": [1], "max_new_tokens": tokens}
        name = choose_signature(signatures, given)
        return request("gpt", name, **to_rows(signatures[name], given))

    short, long = text(4), text(120)
    await load_grpc(address, long, 2, 2.0)
    alone = await load_grpc(address, short, 1, seconds)
    others = asyncio.ensure_future(load_grpc(address, long, 4, seconds + 1.0))
    among = await load_grpc(address, short, 1, seconds)
    await others
    found = {"alone": summary(alone, seconds), "among": summary(among, seconds)}
    return found | {"ratio": found["among"]["p99_ms"] / found["alone"]["p99_ms"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="end within a minute")
    parser.add_argument("--write", action="store_true", help="write results/")
    options = parser.parse_args()
    rounds, seconds = (1, 1.0) if options.quick else (5, 4.0)
    flags = ["--enable_batching", f"--batching_parameters_file={BATCHING}"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export_models(folder)
        with serving(folder, *flags) as server, echoing() as echo:
            addresses = {"echo": echo, "grpc": server["grpc"], "rest": server["rest"]}
            rates = compare_rates(addresses, rounds, seconds)
            large = compare_large_batch(folder, server["grpc"], rounds)
            mixed = asyncio.run(mixed_lengths(server["grpc"], 3 * seconds))
    ratios = {
        clients: rates["grpc"][clients]["per_second"]
        / rates["echo"][clients]["per_second"]
        for clients in rates["grpc"]
    }
    result = {
        "benchmark": "serving_vs_echo",
        "ratio": ratios["32"],
        "unit": "requests/s at 32 clients",
        "medians": {side: found["32"]["per_second"] for side, found in rates.items()},
        "ratios": {f"gRPC/echo, {n} callers": ratio for n, ratio in ratios.items()},
        "p99_over_p50_at_32": rates["grpc"]["32"]["p99_ms"]
        / rates["grpc"]["32"]["p50_ms"],
        "rates": rates,
        "batch_of_64_images": large,
        "short_texts_among_long": mixed,
        "rounds": rounds,
        **describe_machine(),
    }
    if options.write:
        path = RESULTS / "serving_vs_echo.json"
        path.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
