"""nanoGPT's CPU budget on tiny_shakespeare: loss and wall time, against PyTorch.

The recipes `shakespeare_char` and `shakespeare_modern` with three seeds, and the same
budget of 1.536 million tokens in PyTorch with nanoGPT's settings, in turn in one
process. Our time is that of the whole `fit`, compilation and four validations included;
theirs that of the training loop with the same four validations, and besides of its
steps alone. The loss is the mean over every character of the last tenth of the file, in
windows of 64.
"""

import json
import math
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import torch
from side_by_side import RESULTS, arguments, describe_machine
from torch_gpt import TorchGPT, make_optimizer

import tfgenai as tg
from tfgenai.train import Recipe

LENGTH, BATCH, EPOCHS, STEPS_PER_EPOCH = 64, 12, 4, 500
RATE, LAST_RATE, WARMUP = 1e-3, 1e-4, 100


def ours(name: str, seed: int, epochs: int) -> dict:
    recipe = Recipe.load(name, overrides={"seed": seed, "fit.epochs": epochs})
    with tempfile.TemporaryDirectory() as folder:
        report = tg.train.run(recipe, Path(folder) / "run", verbose=False).report
    return {
        "loss": report["metrics"]["validation_loss"]["value"],
        "tokens": report["metrics"]["validation_loss"]["n"],
        "seconds": report["seconds"]["fit"],
        "seconds_of_steps": report["seconds"]["training_steps"],
        "parameters": report["num_trainable_parameters"],
    }


def theirs(seed: int, epochs: int) -> dict:
    steps = epochs * STEPS_PER_EPOCH
    train, valid = tg.data.load(
        "tiny_shakespeare",
        split=("all[:90%]", "all[90%:]"),
        tokenizer="char",
        sequence_length=LENGTH,
    )
    texts = [
        torch.from_numpy(train.tokenizer.encode(split.part.documents[0])).long()
        for split in (train, valid)
    ]
    torch.manual_seed(seed)
    model = TorchGPT(train.tokenizer.vocabulary_size, LENGTH, 4, 4, 128)
    optimizer = make_optimizer(model, RATE)
    validating = 0.0
    began = time.perf_counter()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, steps)
        starts = torch.randint(len(texts[0]) - LENGTH - 1, (BATCH,))
        windows = torch.stack([texts[0][i : i + LENGTH + 1] for i in starts])
        optimizer.zero_grad()
        model(windows[:, :-1], windows[:, 1:]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % STEPS_PER_EPOCH == 0:
            stopped = time.perf_counter()
            loss = whole_loss(model, texts[1])
            validating += time.perf_counter() - stopped
    seconds = time.perf_counter() - began
    return {
        "loss": loss,
        "seconds": seconds,
        "seconds_of_steps": seconds - validating,
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def rate_at(step: int, steps: int) -> float:
    """Warm-up, then a cosine, as nanoGPT has it."""
    if step < WARMUP:
        return RATE * (step + 1) / (WARMUP + 1)
    done = (step - WARMUP) / (steps - WARMUP)
    return LAST_RATE + 0.5 * (1 + math.cos(math.pi * done)) * (RATE - LAST_RATE)


def whole_loss(model: TorchGPT, text: torch.Tensor) -> float:
    count = (len(text) - 1) // LENGTH
    windows = text[: count * LENGTH + 1].unfold(0, LENGTH + 1, LENGTH)
    rest = text[count * LENGTH :][None]
    total = 0.0
    with torch.no_grad():
        for rows in (*windows.split(BATCH), *([rest] if rest.shape[1] > 1 else [])):
            targets = rows.shape[0] * (rows.shape[1] - 1)
            total += float(model(rows[:, :-1], rows[:, 1:])) * targets
    return total / (len(text) - 1)


def main() -> None:
    options = arguments()
    seeds = (0,) if options.quick else (0, 1, 2)
    epochs = 1 if options.quick else EPOCHS
    runs: dict[str, list[dict]] = {
        "shakespeare_char": [],
        "shakespeare_modern": [],
        "torch_eager": [],
    }
    for seed in seeds:
        for name in ("shakespeare_char", "shakespeare_modern"):
            runs[name].append(ours(name, seed, epochs))
        runs["torch_eager"].append(theirs(seed, epochs))
        print(json.dumps({name: found[-1] for name, found in runs.items()}), flush=True)
    means = {
        name: {key: statistics.mean(run[key] for run in found) for key in found[0]}
        for name, found in runs.items()
    }
    result = {
        "benchmark": "shakespeare_vs_torch",
        "unit": "seconds of PyTorch over seconds of fit",
        "ratios": {
            f"{name}/torch_eager": means["torch_eager"]["seconds"]
            / means[name]["seconds"]
            for name in ("shakespeare_char", "shakespeare_modern")
        },
        "seeds": list(seeds),
        "means": means,
        "runs": runs,
        **describe_machine(),
    }
    if options.write:
        path = RESULTS / "shakespeare_vs_torch.json"
        path.write_text(json.dumps(result, indent=2) + "\n")
        for name in ("shakespeare_char", "shakespeare_modern"):
            write_figures(name, seeds, runs[name])
    print(json.dumps(result["means"]))


def write_figures(name: str, seeds: tuple[int, ...], found: list[dict]) -> None:
    """The recipe's row in the README's table of trainings."""
    losses = [run["loss"] for run in found]
    figure = {
        "value": statistics.mean(losses),
        "interval": [min(losses), max(losses)],
        "unit": "nats per character",
        "n": found[0]["tokens"],
        "method": "Mean of the seeds, in brackets the least and the greatest.",
    }
    seconds = statistics.mean(run["seconds"] for run in found)
    result = {
        "command": f"tfgenai train {name}",
        "seed": ", ".join(map(str, seeds)),
        "seconds": {"fit": seconds, "measuring": 0.0},
        "metrics": {"validation_loss": figure},
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
