"""What pre-training without labels is worth: few labels, on a trained base and not.

Digits: a diffusion model learns MNIST without labels; then 10 examples of each digit,
turned and shifted, are all that is known, and all 10,000 test images are asked.
Speakers: a GPT learns speeches of tiny_shakespeare without the speakers' names; then
a few passages of each of five speakers are known (speakers), or whether a few sentences
tell, ask or call out (sentences: the text before a mark is given, the mark is asked).
Speeches of the test passages are in neither. The arms, with the same features and the
same examples:

- probe: a linear classifier on the frozen base;
- tuned: from the probe on, the base trains along with the head;
- scratch: the same from new weights: a probe on them, then as many steps of the same
  examples at the same rates. Only the initial weights differ from `tuned`.

Writes heads.json: means over the seeds, with Student's 95% intervals, and the figures
of the simplest classifiers of `evaluate_classifier` beside them.
"""

import argparse
import json
import re
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from side_by_side import RESULTS, describe_machine, interval

import tfgenai as tg
from tfgenai.core import random
from tfgenai.finetune.freeze import unfreeze
from tfgenai.finetune.heads import ClassifierHead, Features, evaluate_classifier

RATE = 1e-3
FIGURES = (
    "accuracy",
    "accuracy_interval",
    "calibration_error",
    "majority_accuracy",
    "simple_accuracy",
)
STRENGTH = 0.03  # of the probes, scikit-learn's C
SPEAKERS = ("GLOUCESTER", "DUKE VINCENTIO", "CORIOLANUS", "ROMEO", "PETRUCHIO")
MARKS = ".?!"
LENGTH = 128
DIGITS_MODEL = {
    "image_shape": (28, 28, 1),
    "network": "unet",
    "network_options": {
        "channels": (32, 64),
        "num_blocks": 1,
        "patch_size": 2,
        "attention_resolutions": (7,),
    },
    "noise_schedule": "cosine",
    "num_timesteps": 1000,
    "prediction_type": "velocity",
    "ema_decay": 0.999,
}
SPEECH_MODEL = {
    "max_sequence_length": LENGTH,
    "num_layers": 3,
    "num_heads": 4,
    "hidden_dim": 96,
    "dropout": 0.1,
}


class Digits:
    """Ten examples of each digit, of which 50 are made, and the whole test split."""

    features = Features(pool="flatten", time=0.05)
    trains = ("first", "time_*", "modulation", "down*", "middle_*")
    num_classes, batch_size = 10, 50
    per_class, copies = 10, 50

    def __init__(self) -> None:
        train, test = (tg.data.load_arrays("mnist", split=s) for s in ("train", "test"))
        self.images, self.labels = train.images, train.labels.astype(np.int32)
        self.test = _scaled(test.images), test.labels.astype(np.int32)

    def make(self, seed: int) -> tg.DiffusionModel:
        return tg.DiffusionModel(seed=seed, **DIGITS_MODEL)

    def unlabelled(self) -> tf.data.Dataset:
        data = tf.data.Dataset.from_tensor_slices(self.images).repeat()
        data = data.shuffle(60_000, seed=0).batch(64)
        return data.map(lambda x: tf.cast(x, tf.float32) / 127.5 - 1.0)

    def labelled(self, seed: int) -> tuple[tuple, tuple]:
        """The examples, and what is made of them."""
        rows = _of_each_class(self.labels, self.per_class, seed)
        images, labels = self.images[rows], self.labels[rows]
        shift, turn = (
            tg.data.augment.Shift(0.08, fill=0),
            tg.data.augment.Rotate(fill=0),
        )
        made = []
        for number in range(self.copies):
            own = random.step_seed(seed, number)
            made.append(shift(turn(tf.constant(images), own), random.fold(own, 1)))
        many = _scaled(np.concatenate(made)), np.tile(labels, self.copies)
        return (_scaled(images), labels), many


class Speeches:
    """Passages of tiny_shakespeare with a label each, by what `passages` takes."""

    features = Features()
    trains = ("*",)
    batch_size = 25

    def __init__(self) -> None:
        data = tg.data.load(
            "tiny_shakespeare", split="all", tokenizer="char", sequence_length=LENGTH
        )
        self.tokenizer = data.tokenizer
        speeches = [
            part.split(":\n", 1)
            for part in data.part.documents[0].split("\n\n")
            if re.match(r"[A-Z][A-Za-z .']+:\n", part)
        ]
        # Blocks of 10 speeches, so that a talk is not cut through: each fifth is held
        # out.
        held_out = [number // 10 % 5 == 4 for number in range(len(speeches))]
        known = [s for s, held in zip(speeches, held_out, strict=True) if not held]
        self.text = "\n\n".join(speech for _, speech in known)
        self.known = self.passages(known)
        self.test = self.passages(
            [s for s, held in zip(speeches, held_out, strict=True) if held]
        )

    def make(self, seed: int) -> tg.GPT:
        return tg.GPT(tokenizer=self.tokenizer, seed=seed, **SPEECH_MODEL)

    def unlabelled(self) -> tf.data.Dataset:
        ids = np.asarray(self.tokenizer.encode(self.text), np.int32)
        windows = np.lib.stride_tricks.sliding_window_view(ids, LENGTH + 1)[::16]
        data = tf.data.Dataset.from_tensor_slices(windows).shuffle(100_000, seed=0)
        return data.repeat().batch(32)

    def labelled(self, seed: int) -> tuple[tuple, tuple]:
        tokens, labels = self.known
        rows = _of_each_class(labels, self.per_class, seed)
        return (tokens[rows], labels[rows]), (tokens[rows], labels[rows])


class Speakers(Speeches):
    """Whose words they are: passages of five speakers."""

    num_classes, per_class = len(SPEAKERS), 50

    def passages(self, speeches: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
        tokens, labels = [], []
        for label, name in enumerate(SPEAKERS):
            said = "\n\n".join(speech for who, speech in speeches if who == name)
            ids = np.asarray(self.tokenizer.encode(said), np.int32)
            ids = ids[: len(ids) // LENGTH * LENGTH].reshape(-1, LENGTH)
            tokens.append(ids)
            labels += [label] * len(ids)
        return np.concatenate(tokens), np.array(labels, np.int32)


class Sentences(Speeches):
    """Whether a sentence tells, asks or calls out: the text before the mark."""

    features = Features(pool="last")
    num_classes, per_class = len(MARKS), 50

    def passages(self, speeches: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
        text = "\n\n".join(speech for _, speech in speeches)
        ends = [
            (end, MARKS.index(text[end]))
            for end in range(LENGTH, len(text))
            if text[end] in MARKS and text[end - 1].isalpha()
        ]
        tokens = [self.tokenizer.encode(text[end - LENGTH : end]) for end, _ in ends]
        labels = np.array([mark for _, mark in ends], np.int32)
        # As many of each: two of three sentences only tell.
        rows = _of_each_class(labels, np.bincount(labels).min(), 0)
        return np.array(tokens, np.int32)[rows], labels[rows]


TASKS = {"digits": Digits, "speakers": Speakers, "sentences": Sentences}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--folder", type=Path, default=Path("heads_bases"))
    parser.add_argument("--pretraining-steps", type=int, default=5000)
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    path = RESULTS.parent / "heads.json"
    found = json.loads(path.read_text()) if path.exists() else {"tasks": {}}
    found |= {"name": "heads"} | describe_machine()
    for name in options.tasks:  # the others stay as they were
        found["tasks"][name] = run_task(name, options)
        if options.write:
            path.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found))


def run_task(name: str, options: argparse.Namespace) -> dict:
    task = TASKS[name]()
    path = options.folder / f"{name}_{options.pretraining_steps}_steps.keras"
    result: dict = {"num_labels": task.num_classes * task.per_class}
    result["num_test"] = len(task.test[1])
    result["pretraining_steps"] = options.pretraining_steps
    if not path.exists():
        start = time.perf_counter()
        pretrain(task.make(0), task.unlabelled(), options.pretraining_steps).save(path)
        result["pretraining_seconds"] = round(time.perf_counter() - start)
    arms = [("probe", 0)]
    arms += [(arm, steps) for steps in options.steps for arm in ("tuned", "scratch")]
    runs = []
    for seed in options.seeds:
        few, many = task.labelled(seed)
        for arm, steps in arms:
            start = time.perf_counter()
            head = learn(arm, task, path, (few, many), seed, steps)
            run = {"arm": arm, "steps": steps, "seed": seed}
            run["seconds"] = round(time.perf_counter() - start, 1)
            report = evaluate_classifier(head, task.test, few).to_dict()
            runs.append(run | {figure: report[figure] for figure in FIGURES})
            print(name, runs[-1], flush=True)
    result["accuracy"] = {
        f"{arm}_{steps}" if steps else arm: interval(
            [r["accuracy"] for r in runs if (r["arm"], r["steps"]) == (arm, steps)],
            bounds=(0, 1),
        )
        for arm, steps in arms
    }
    for figure in ("majority_accuracy", "simple_accuracy"):
        probes = [run[figure] for run in runs if run["arm"] == "probe"]
        result[figure] = interval(probes, bounds=(0, 1))
    return {**result, "runs": runs}


def pretrain(model, data: tf.data.Dataset, steps: int):
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=RATE, warmup_steps=steps // 50, alpha=0.01
    )
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-4))
    model.fit(data, steps_per_epoch=steps, verbose=0)
    return model


def learn(arm: str, task, path: Path, data: tuple, seed: int, steps: int):
    is_new = arm == "scratch"
    base = task.make(seed) if is_new else tg.load_model(path, compile=False)
    head = ClassifierHead(base, task.num_classes, features=task.features, seed=seed)
    few, many = data
    head.fit_probe(*few, strength=STRENGTH)
    if arm == "probe":
        return head
    unfreeze(base, *task.trains, verbose=False)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=RATE, warmup_steps=steps // 10
    )
    head.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-3))
    rows = tf.data.Dataset.from_tensor_slices(many).shuffle(len(many[1]), seed=seed)
    head.fit(rows.repeat().batch(task.batch_size), steps_per_epoch=steps, verbose=0)
    return head


def _of_each_class(labels: np.ndarray, num: int, seed: int) -> np.ndarray:
    order = random.numpy_generator(seed).permutation(len(labels))
    return np.concatenate(
        [order[labels[order] == each][:num] for each in np.unique(labels)]
    )


def _scaled(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 127.5 - 1.0


if __name__ == "__main__":
    main()
