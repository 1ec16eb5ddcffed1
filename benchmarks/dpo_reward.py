"""DPO on preferences with a known reward: how far it rises, and at what divergence.

A small character model learns tiny Shakespeare. It answers prompts twice, the answer
with more letters `e` is the better one, and `tune_on_feedback` reads the pairs from a
file, trains an adapter and exports the new version. Asked for: the reward rises by a
standard deviation of the base's own answers, while the divergence from the base stays
below 10 nats an answer.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from side_by_side import describe_machine

import tfgenai as tg
from tfgenai.finetune.preferences import (
    Preference,
    tune_on_feedback,
    write_preferences,
)

LENGTH, NEW = 96, 64


def pretrained(epochs: int) -> tg.GPT:
    dataset = tg.data.load(
        "tiny_shakespeare",
        tokenizer="char",
        sequence_length=LENGTH,
        batch_size=32,
        steps_per_epoch=250,
    )
    model = tg.GPT(
        tokenizer=dataset.tokenizer,
        max_sequence_length=LENGTH,
        num_layers=3,
        num_heads=4,
        hidden_dim=96,
    )
    model.compile(keras.optimizers.AdamW(2e-3, weight_decay=0.1, global_clipnorm=1.0))
    model.fit(dataset, epochs=epochs, verbose=2)
    return model


def answers(model: tg.GPT, prompts: list[str], seed: int) -> list[str]:
    texts = model.generate(prompts, seed=seed, max_new_tokens=NEW)
    return [text[len(p) :] for text, p in zip(texts, prompts, strict=True)]


def reward(answer: str) -> int:
    return answer.count("e")


def prompts(model: tg.GPT, n: int, seed: int) -> list[str]:
    dataset = tg.data.load(
        "tiny_shakespeare",
        tokenizer=model.tokenizer,
        sequence_length=23,
        batch_size=n,
        steps_per_epoch=1,
        seed=seed,
    )
    (batch,) = dataset.for_epochs(0, 1)
    return [model.tokenizer.decode(row) for row in np.asarray(batch)]


def one_seed(model: tg.GPT, seed: int, folder: Path) -> dict:
    asked = prompts(model, 1000, seed)
    first, second = (answers(model, asked, 1000 * seed + i) for i in range(2))
    pairs = [
        Preference(
            prompt=prompt,
            chosen=max(a, b, key=reward),
            rejected=min(a, b, key=reward),
        )
        for prompt, a, b in zip(asked, first, second, strict=True)
        if a and b and reward(a) != reward(b)
    ]
    file = write_preferences(folder / f"feedback_{seed}.jsonl", pairs)
    fresh = prompts(model, 500, 100 + seed)
    base = np.array([reward(a) for a in answers(model, fresh, 7)])
    start = time.perf_counter()
    report = tune_on_feedback(
        model,
        file,
        export_to=folder / f"served_{seed}",
        lora={"rank": 8},
        beta=1.0,
        epochs=2,
        batch_size=32,
        learning_rate=1e-3,
        num_samples=500,
        max_new_tokens=NEW,
        seed=seed,
        verbose=False,
    )
    seconds = time.perf_counter() - start
    tuned = np.array([reward(a) for a in answers(model, fresh, 7)])
    return {
        "num_pairs": len(pairs),
        "base_reward": base.mean(),
        "base_standard_deviation": base.std(),
        "tuned_reward": tuned.mean(),
        "rise_in_standard_deviations": (tuned.mean() - base.mean()) / base.std(),
        "kl_nats": report["kl"],
        "kl_standard_error": report["kl_standard_error"],
        "held_out_accuracy": report["after"]["accuracy"],
        "seconds": seconds,
        "exported": Path(report["export"]).name,
        "example": answers(model, fresh[:1], 7)[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory() as name:
        model = pretrained(options.epochs)
        model.save(Path(name) / "base.keras")
        for seed in range(3):
            fresh = tg.load_model(Path(name) / "base.keras")
            runs.append(one_seed(fresh, seed, Path(name)))
            print(json.dumps(runs[-1]), flush=True)
    rises = [run["rise_in_standard_deviations"] for run in runs]
    result = {
        "benchmark": "dpo_reward",
        "smallest_rise_in_standard_deviations": min(rises),
        "largest_kl_nats": max(run["kl_nats"] for run in runs),
        "runs": runs,
        **describe_machine(),
    }
    if options.write:
        path = Path(__file__).with_suffix(".json")
        path.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
