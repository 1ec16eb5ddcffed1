"""What pre-training is worth: a tenth digit from 50 pictures, on a model of nine.

A small class-conditional diffusion model learns the MNIST digits 0 to 8. From 50
pictures of the 9 it then learns a tenth class, in the same number of steps each time:

- token: `add_classes`, of which the new row alone trains;
- adapter: `add_classes`, the new row and a LoRA adapter train;
- adapter_prior: the same, with samples of the old digits beside the new pictures;
- scratch: a new model of the same network, all of whose weights train.

A classifier that was fitted to the training split of MNIST says what samples show.
Writes tenth_digit.json: means over the seeds, with 95% intervals.
"""

import argparse
import json
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from side_by_side import RESULTS, describe_machine, interval

import tfgenai as tg
from tfgenai.evaluate.features.lookup import resolve_extractor
from tfgenai.finetune.freeze import unfreeze
from tfgenai.finetune.images import add_classes, with_prior
from tfgenai.finetune.lora import apply_lora

NEW = 9
NUM_PICTURES = 50
BATCH_SIZE = 50
LEARNING_RATES = {
    "token": 3e-2,
    "adapter": 2e-3,
    "adapter_prior": 2e-3,
    "scratch": 1e-3,
}
RANK = 8
MODEL = {
    "image_shape": (28, 28, 1),
    "network": "unet",
    "network_options": {
        "channels": (32, 64),
        "num_blocks": 1,
        "patch_size": 2,
        "attention_resolutions": (7,),
    },
    "condition_dropout": 0.1,
    "noise_schedule": "cosine",
    "num_timesteps": 1000,
    "prediction_type": "velocity",
    "ema_decay": 0.999,
}
SAMPLING = {"guidance_scale": 1.2, "num_steps": 10, "sampler": "dpmpp_2m"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=Path, help="file of the model of nine digits")
    parser.add_argument("--pretraining-steps", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", default=list(LEARNING_RATES))
    parser.add_argument("--num-samples", type=int, default=450)
    parser.add_argument("--features", default="mnist_classifier")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    arrays = tg.data.load_arrays("mnist", split="train")
    digits = arrays.images.astype(np.float32) / 127.5 - 1.0
    labels = arrays.labels.astype(np.int32)
    if options.base is not None and options.base.exists():
        base = tg.load_model(options.base, compile=False)
    else:
        base = pretrain(digits, labels, options.pretraining_steps)
        if options.base is not None:
            base.save(options.base)
    extractor = resolve_extractor(options.features)
    old = share_of_old(base, extractor, options.num_samples)
    found = {
        "name": "tenth_digit",
        "num_pictures": NUM_PICTURES,
        "batch_size": BATCH_SIZE,
        "pretraining_steps": options.pretraining_steps,
        "steps": options.steps,
        "learning_rates": LEARNING_RATES,
        "lora_rank": RANK,
        "num_samples": options.num_samples,
        "extractor_sha256": extractor.sha256,
        "old_share_before": old,
        "runs": [],
    }
    for seed in options.seeds:
        order = np.random.default_rng(seed).permutation(np.flatnonzero(labels == NEW))
        pictures = digits[order[:NUM_PICTURES]]
        for arm in options.arms:
            start = time.perf_counter()
            model = learn(arm, base, pictures, seed, options.steps)
            run = {"arm": arm, "seed": seed}
            run["seconds"] = round(time.perf_counter() - start, 1)
            run["new_share"] = share(model, [NEW], extractor, options.num_samples)
            if arm != "scratch":
                run["old_share"] = share_of_old(model, extractor, options.num_samples)
            found["runs"].append(run)
            print(run, flush=True)
    found |= {
        figure: {
            arm: interval(
                [r[figure] for r in found["runs"] if r["arm"] == arm], bounds=(0, 1)
            )
            for arm in options.arms
            if figure != "old_share" or arm != "scratch"
        }
        for figure in ("new_share", "old_share")
    }
    found |= describe_machine()
    print(json.dumps(found))
    if options.write:
        path = RESULTS.parent / "tenth_digit.json"
        path.write_text(json.dumps(found, indent=1) + "\n")


def pretrain(digits, labels, steps: int) -> tg.DiffusionModel:
    rows = labels != NEW
    data = tf.data.Dataset.from_tensor_slices((digits[rows], labels[rows]))
    data = data.repeat().shuffle(60_000, seed=0).batch(64, drop_remainder=True)
    model = tg.DiffusionModel(num_classes=NEW, seed=0, **MODEL)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=1e-3, warmup_steps=steps // 50, alpha=0.01
    )
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-4))
    start = time.perf_counter()
    model.fit(data, steps_per_epoch=steps, verbose=0)
    print(f"pre-trained in {time.perf_counter() - start:.0f} s", flush=True)
    return model


def learn(arm: str, base, pictures, seed: int, steps: int) -> tg.DiffusionModel:
    labels = np.full(len(pictures), NEW, np.int32)
    data = tf.data.Dataset.from_tensor_slices((pictures, labels)).batch(BATCH_SIZE)
    if arm == "scratch":
        model = tg.DiffusionModel(num_classes=NEW + 1, seed=seed, **MODEL)
    else:
        model = add_classes(base)
        model.seed = seed  # noise of training
    if arm.startswith("adapter"):
        apply_lora(model, rank=RANK, seed=seed, verbose=False)
        unfreeze(model, "label_embedding", verbose=False)
    if arm == "adapter_prior":
        data = with_prior(data, base, 500, seed=seed, **SAMPLING)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=LEARNING_RATES[arm], warmup_steps=steps // 20
    )
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-4))
    model.fit(data, epochs=steps // len(list(data)), verbose=0)
    return model


def share_of_old(model, extractor, num_samples: int) -> float:
    return share(model, range(NEW), extractor, num_samples)


def share(model, digits, extractor, num_samples: int) -> float:
    """The share of samples that the classifier takes for what was asked for."""
    labels = np.resize(np.array(digits, np.int32), num_samples)
    images = model.generate(num_samples, labels=labels, seed=1, **SAMPLING)
    return extractor.accuracy(images, labels)


if __name__ == "__main__":
    main()
