"""A day of `tfgenai serve` in minutes: 200,000 requests, 50 new versions, no error.

An MLP VAE, a GPT at mixed lengths and a diffusion model at mixed steps are asked over
gRPC and REST all the while; every few thousand requests a model gets a new version, and
the one before the last is removed. Every answer is checked: its rows, no error, and for
a seed that is asked for again the same text, or the same pixels to 1e-4, whatever the
version (all are copies of one). The memory of the server is read at each reload; it is
flat where the last quarter takes no more than a tenth over the second.

Writes soak.json: requests by kind, errors, reloads, memory in the course of time.
"""

import argparse
import asyncio
import collections
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from serving_vs_echo import BATCHING, serving
from side_by_side import RESULTS, describe_machine

SEEDS = 64
# Of a hundred requests.
SHARES = {"mlp": 94, "gpt": 4, "diffusion": 2}
CALLERS = 12
PAGE = os.sysconf("SC_PAGE_SIZE")


def export_models(folder: Path) -> None:
    import tfgenai as tg

    tg.VAE(image_shape=(28, 28, 1), latent_dim=16, network="mlp").export_serving(
        folder / "mlp"
    )
    tg.GPT(
        tokenizer=tg.data.tokenizers.ByteTokenizer(),
        max_sequence_length=128,
        num_layers=2,
        num_heads=2,
        hidden_dim=32,
    ).export_serving(folder / "gpt", token_buckets=(16,), max_new_tokens=64)
    tg.DiffusionModel(
        image_shape=(8, 8, 1), network="mlp", num_timesteps=100
    ).export_serving(folder / "diffusion", num_steps=10, step_buckets=(5,))


def draw(rng: np.random.Generator) -> tuple[str, dict]:
    """A model, and what it is asked."""
    model = str(rng.choice(list(SHARES), p=np.array(list(SHARES.values())) / 100))
    seed = [int(rng.integers(SEEDS))]
    if model == "mlp":
        rows = rng.choice((1, 1, 1, 4))
        return model, {"seed": [seed[0] + row for row in range(rows)]}
    if model == "gpt":
        tokens = int(rng.choice((2, 4, 8, 16, 48)))
        prompt = "x" * int(rng.choice((1, 5, 20, 60)))
        return model, {"seed": seed, "prompts": [prompt], "max_new_tokens": tokens}
    return model, {"seed": seed, "num_steps": int(rng.choice((2, 5, 10)))}


class Soak:
    """Callers that share a number of requests, and what they saw."""

    def __init__(self, total: int) -> None:
        self.left = total
        self.done: collections.Counter[str] = collections.Counter()
        self.errors: list[str] = []
        self.first: dict[str, np.ndarray] = {}

    async def call(self, address: str, protocol: str, number: int) -> None:
        import tfgenai as tg
        from tfgenai.core.random import numpy_generator

        rng = numpy_generator(number)
        clients = {
            model: tg.serving.AsyncClient(address, model=model, protocol=protocol)
            for model in SHARES
        }
        try:
            while self.left > 0:
                self.left -= 1
                model, given = draw(rng)
                try:
                    answer = await clients[model].generate(**given)
                    self._check(model, given, answer)
                except Exception as error:  # counted, whatever it is
                    self.errors.append(f"{protocol} {model} {given}: {error!r}"[:500])
                self.done[f"{model} over {protocol}"] += 1
        finally:
            for client in clients.values():
                await client.close()

    def _check(self, model: str, given: dict, answer: dict) -> None:
        name = "texts" if model == "gpt" else "images"
        rows = np.asarray(answer[name])
        if len(rows) != len(given["seed"]):
            raise RuntimeError(f"{len(rows)} rows")
        for seed, row in zip(given["seed"], rows, strict=True):
            key = json.dumps([model, {**given, "seed": seed}], sort_keys=True)
            known = self.first.setdefault(key, row)
            same = (
                known == row if model == "gpt" else np.allclose(known, row, atol=1e-4)
            )
            if not same:
                raise RuntimeError(f"another answer for {key}")


def memory(process: int) -> int:
    pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    return pages * PAGE


async def reload(soak: Soak, folder: Path, process: int, reloads: int) -> list[dict]:
    """Gives models new versions in turn, evenly over the requests."""
    total, seen = soak.left, []
    start = time.perf_counter()
    for number in range(reloads):
        while soak.left > total * (1 - (number + 1) / (reloads + 1)):
            await asyncio.sleep(0.05)
        model = folder / list(SHARES)[number % len(SHARES)]
        versions = sorted(int(each.name) for each in model.iterdir())
        newest = model / str(versions[-1] + 1)
        await asyncio.to_thread(shutil.copytree, model / str(versions[-1]), newest)
        for old in versions[:-1]:
            shutil.rmtree(model / str(old))
        seen.append(
            {
                "requests": total - soak.left,
                "seconds": round(time.perf_counter() - start, 1),
                "mebibytes": round(memory(process) / 2**20, 1),
            }
        )
    return seen


async def run(server: dict, folder: Path, process: int, total: int, reloads: int):
    soak = Soak(total)
    sides = [(server["grpc"], "grpc")] * (CALLERS - 3) + [(server["rest"], "rest")] * 3
    reloading = asyncio.ensure_future(reload(soak, folder, process, reloads))
    await asyncio.gather(
        *(soak.call(*side, number) for number, side in enumerate(sides))
    )
    return soak, await reloading


def growth(seen: list[dict]) -> float:
    """The last quarter's mean memory over that of the second one."""
    taken = [each["mebibytes"] for each in seen]
    quarter = max(1, len(taken) // 4)
    return float(np.mean(taken[-quarter:]) / np.mean(taken[quarter : 2 * quarter]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--reloads", type=int, default=50)
    parser.add_argument("--write", action="store_true", help="write soak.json")
    options = parser.parse_args()
    flags = ["--enable_batching", f"--batching_parameters_file={BATCHING}"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export_models(folder)
        start = time.perf_counter()
        with serving(folder, *flags) as server:
            soak, seen = asyncio.run(
                run(server, folder, server["pid"], options.requests, options.reloads)
            )
    result = {
        "benchmark": "soak",
        "requests": sum(soak.done.values()),
        "by_kind": dict(sorted(soak.done.items())),
        "errors": len(soak.errors),
        "first_errors": soak.errors[:5],
        "different_questions": len(soak.first),
        "reloads": len(seen),
        "seconds": round(time.perf_counter() - start),
        "memory_growth": growth(seen) if seen else None,
        "memory": seen,
        **describe_machine(),
    }
    if options.write:
        (RESULTS.parent / "soak.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
