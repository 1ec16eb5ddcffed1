"""What cleaning is worth: a GAN trained on dirty MNIST and on the same set cleaned.

20,000 real digits of the training split are made dirty in stated ways; a class-
conditional DCGAN is trained for the same number of steps on all of it, and on what
`tfgenai data prepare` leaves; both are measured by an extractor that was trained on
clean digits. Writes results/clean_training.json, for two seeds.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from side_by_side import RESULTS, describe_machine

import tfgenai as tg
from tfgenai.data.preparation import prepare

NUM_DIGITS = 20_000
DIRT = {"mislabelled": 0.10, "noise": 0.03, "blank": 0.02, "copies": 0.15, "cut": 0.02}
RULES = [
    "unreadable",
    "constant",
    "exact_duplicate",
    "near_duplicate_image",
    {"rule": "isolation_forest", "action": "drop"},
    {"rule": "mislabel", "action": "drop"},
]
RECIPE = {
    "split": {"shares": {"train": 1.0}},
    "leaks": {"exact": False, "near": False},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--features", default="mnist_classifier")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        planted = make_dirty(Path(folder, "raw"), seed=0)
        start = time.perf_counter()
        sets = {}
        for name, rules in (("dirty", ["unreadable"]), ("cleaned", RULES)):
            recipe = {
                "name": name,
                "source": {"path": f"{folder}/raw", "labels": "folders"},
                "clean": rules,
                **RECIPE,
            }
            sets[name] = prepare(recipe, Path(folder, name))
        print(f"prepared in {time.perf_counter() - start:.0f} s", flush=True)
        found = {
            "name": "clean_training",
            "dirt": DIRT,
            "num_raw": sets["dirty"].card.preparation["num_raw"],
            "rules": sets["cleaned"].card.preparation["rules"],
            "left": {kind: left(sets["cleaned"], ids) for kind, ids in planted.items()},
            "epochs": options.epochs,
            "runs": [],
        }
        steps = options.epochs * (sets["dirty"].card.num_examples // 64)
        for seed in options.seeds:
            for name, made in sets.items():
                figures = train(made.path, steps, seed, options.features)
                found["runs"].append({"data": name, "seed": seed, **figures})
                print(found["runs"][-1], flush=True)
    for figure in ("label_accuracy", "fid"):
        found[figure] = {
            name: statistics.mean(
                run[figure] for run in found["runs"] if run["data"] == name
            )
            for name in sets
        }
    found |= describe_machine()
    print(json.dumps(found))
    if options.write:
        path = RESULTS.parent / "clean_training.json"
        path.write_text(json.dumps(found, indent=1) + "\n")


def make_dirty(folder: Path, seed: int) -> dict[str, list[str]]:
    """Writes the folder; returns the ids of what was planted, by its kind."""
    arrays = tg.data.load_arrays("mnist", split=f"train[:{NUM_DIGITS}]")
    images, labels = arrays.images, arrays.labels.copy()
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(images))
    planted: dict[str, list[str]] = {}
    place = 0
    for kind, share in DIRT.items():
        chosen = order[place : place + round(share * len(images))]
        place += len(chosen)
        planted[kind] = []
        for number, i in enumerate(chosen):
            if kind == "mislabelled":
                labels[i] = (labels[i] + generator.integers(1, 10)) % 10
                name = f"{i:05d}"
            else:
                name = f"{kind}-{number:05d}"
                picture = spoil(
                    kind, images[i], images[order[-1 - number % 50]], generator
                )
                # Copies are of fifty digits, under their own labels.
                label = (
                    labels[order[-1 - number % 50]] if kind == "copies" else labels[i]
                )
                save(folder, label, name, picture)
            planted[kind].append(name)
    for i, image in enumerate(images):
        save(folder, labels[i], f"{i:05d}", image)
    return planted


def spoil(kind, image, copied, generator) -> np.ndarray:
    if kind == "noise":
        return generator.integers(0, 256, image.shape).astype(np.uint8)
    if kind == "blank":
        return np.full(image.shape, generator.integers(0, 256), np.uint8)
    if kind == "cut":
        spoiled = image.copy()
        spoiled[14:] = 255
        return spoiled
    return np.roll(copied, generator.integers(-1, 2, 2), (0, 1))


def save(folder: Path, label: int, name: str, picture: np.ndarray) -> None:
    path = folder / str(label) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture[..., 0]).save(path)


def left(prepared, names: list[str]) -> float:
    """The share of planted examples that no rule dropped."""
    wanted = set(names)
    rows = [
        row["fate"] != "dropped"
        for row in prepared.ledger().select(["id", "fate"]).to_pylist()
        if Path(row["id"]).stem in wanted
    ]
    return round(sum(rows) / len(rows), 4)


def train(path: Path, steps: int, seed: int, features: str) -> dict[str, float]:
    data = tg.data.load(path, batch_size=64, seed=seed)
    model = tg.GAN(
        image_shape=(28, 28, 1),
        latent_dim=100,
        network="dcgan",
        adversarial_loss="non_saturating",
        num_classes=10,
        ema_decay=0.999,
        seed=seed,
    )
    model.compile(
        keras.optimizers.Adam(2e-4, beta_1=0.5),
        discriminator_optimizer=keras.optimizers.Adam(2e-4, beta_1=0.5),
    )
    # The same number of steps for both, whatever is left of the data.
    model.fit(data.repeat(), steps_per_epoch=steps, epochs=1, verbose=0)
    report = tg.evaluate.evaluate_samples(
        model,
        "mnist",
        num_samples=2000,
        seed=seed,
        metrics=["label_accuracy", "fid"],
        features=features,
    )
    return {name: report[name].value for name in ("label_accuracy", "fid")}


if __name__ == "__main__":
    main()
