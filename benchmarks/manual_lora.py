"""LoRA to another text: a GPT of Shakespeare learns the manual of Python.

A byte-level GPT learns tiny_shakespeare once. Then 8 of 10 documents of `pydoc_topics`
are shown to it for a few steps, by one the learning rate is chosen, one is asked. The
arms see the same windows:

- lora: an adapter on every layer of the trained base, which stays as it is;
- lora_and_tokens: the table of tokens trains as well: Shakespeare has no digits, so
  that their rows never learned anything;
- tuned: all of the base trains;
- scratch: all weights train, from new ones.

Every arm has the best of the same few learning rates, by documents that are not asked
in the end. Writes manual_lora.json: held-out nats per byte, means over the seeds with
Student's 95% intervals.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import keras
from side_by_side import RESULTS, describe_machine, interval

import tfgenai as tg
from tfgenai.finetune import apply_lora
from tfgenai.finetune.freeze import unfreeze

LENGTH, BATCH = 128, 16
MODEL = {
    "max_sequence_length": LENGTH,
    "num_layers": 4,
    "num_heads": 4,
    "hidden_dim": 128,
    "dropout": 0.0,
}
RANK = 16
ARMS = ("lora", "lora_and_tokens", "tuned", "scratch")
RATES = (1e-3, 3e-3, 1e-2)
MANUAL = ("train[:80%]", "train[80%:90%]", "train[90%:]")


def load(name: str, split: str, seed: int = 0, steps: int | None = None):
    return tg.data.load(
        name,
        split=split,
        tokenizer="byte",
        sequence_length=LENGTH,
        batch_size=BATCH,
        steps_per_epoch=steps,
        seed=seed,
    )


def make(seed: int) -> tg.GPT:
    return tg.GPT(
        tokenizer=load("pydoc_topics", MANUAL[0]).tokenizer, seed=seed, **MODEL
    )


def optimizer(rate: float, steps: int) -> keras.optimizers.Optimizer:
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=rate, warmup_steps=steps // 10
    )
    return keras.optimizers.AdamW(schedule, weight_decay=0.01, global_clipnorm=1.0)


def learn(arm: str, base: Path, rate: float, steps: int, seed: int) -> dict:
    model = make(seed) if arm == "scratch" else tg.load_model(base, compile=False)
    if arm.startswith("lora"):
        apply_lora(model, rank=RANK, seed=seed, verbose=False)
    if arm == "lora_and_tokens":
        unfreeze(model, "*token*", verbose=False)
    num_trainable = sum(v.shape.num_elements() for v in model.trainable_variables)
    model.compile(optimizer(rate, steps))
    data = load("pydoc_topics", MANUAL[0], seed, steps)
    start = time.perf_counter()
    model.fit(data, verbose=0)
    seconds = round(time.perf_counter() - start, 1)
    found = {"num_trainable": num_trainable, "rate": rate, "seconds": seconds}
    for name, split in zip(("chosen_by", "loss"), MANUAL[1:], strict=True):
        rest = load("pydoc_topics", split)
        found[name] = model.evaluate(rest, return_dict=True, verbose=0)["loss"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pretraining-steps", type=int, default=3000)
    parser.add_argument("--steps", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    runs: dict[str, list[dict]] = {}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base.keras"
        model = make(0)
        model.compile(optimizer(2e-3, options.pretraining_steps))
        model.fit(load("tiny_shakespeare", "all", 0, options.pretraining_steps))
        model.save(base)
        rest = load("pydoc_topics", MANUAL[2])
        before = model.evaluate(rest, return_dict=True, verbose=0)["loss"]
        for steps in options.steps:
            for arm in ARMS:
                # The rate is chosen on the first seed, by text that is not asked for.
                first = options.seeds[0]
                tried = [learn(arm, base, rate, steps, first) for rate in RATES]
                best = min(tried, key=lambda found: found["chosen_by"])
                found = [best] + [
                    learn(arm, base, best["rate"], steps, seed)
                    for seed in options.seeds[1:]
                ]
                runs[f"{arm}_{steps}"] = found
                print(arm, steps, json.dumps(found), flush=True)
    result = {
        "benchmark": "manual_lora",
        "unit": "nats per byte of held-out documents",
        "pretraining_steps": options.pretraining_steps,
        "base_before": before,
        "means": {
            name: interval([run["loss"] for run in found])
            for name, found in runs.items()
        },
        "seeds": options.seeds,
        "runs": runs,
        **describe_machine(),
    }
    if options.write:
        path = RESULTS.parent / "manual_lora.json"
        path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({"base_before": before, "means": result["means"]}))


if __name__ == "__main__":
    main()
