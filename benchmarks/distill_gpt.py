"""A small GPT distilled from a larger one, against the same small GPT by itself.

A teacher learns nine tenths of tiny Shakespeare. Students of the same seeds see the
same batches for as many steps, by themselves and with their teacher, of the whole of
that text and of a fiftieth of the file. Reported is the cross-entropy over every
character of the last tenth, in windows of 64.
"""

import json
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from side_by_side import RESULTS, arguments, describe_machine

import tfgenai as tg
from tfgenai.finetune.distill_gpt import GPTDistillation

LENGTH, BATCH = 64, 12
TEACHER = {"num_layers": 4, "num_heads": 4, "hidden_dim": 128}
STUDENT = {"num_layers": 2, "num_heads": 2, "hidden_dim": 48}
WAYS = ("alone", "distilled")


def load(split: str, seed: int = 0, tokenizer: object = "char", **options: object):
    return tg.data.load(
        "tiny_shakespeare",
        split=split,
        tokenizer=tokenizer,
        sequence_length=LENGTH,
        batch_size=BATCH,
        seed=seed,
        **options,
    )


def rates(steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    return keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=3e-3, warmup_steps=steps // 20
    )


def optimizer(steps: int) -> keras.optimizers.Optimizer:
    return keras.optimizers.AdamW(
        rates(steps), weight_decay=0.1, beta_2=0.99, global_clipnorm=1.0
    )


def make(tokenizer: object, sizes: dict, seed: int) -> tg.GPT:
    return tg.GPT(tokenizer=tokenizer, max_sequence_length=LENGTH, seed=seed, **sizes)


def trained_teacher(steps: int) -> tg.GPT:
    train = load("all[:90%]", steps_per_epoch=steps)
    model = make(train.tokenizer, TEACHER, 0)
    model.compile(optimizer(steps))
    model.fit(train, verbose=2)
    return model


def student_loss(teacher: tg.GPT, way: str, split: str, steps: int, seed: int) -> dict:
    student = make(teacher.tokenizer, STUDENT, 1 + seed)
    trained = GPTDistillation(teacher, student) if way == "distilled" else student
    trained.compile(optimizer(steps))
    train = load(split, seed, teacher.tokenizer, steps_per_epoch=steps)
    start = time.perf_counter()
    trained.fit(train, verbose=0)
    seconds = time.perf_counter() - start
    return {"loss": validation_loss(student), "seconds": seconds}


def validation_loss(model: tg.GPT) -> float:
    model.compile(jit_compile=False)
    validation = load("all[90%:]", 0, model.tokenizer)
    return model.evaluate(validation, return_dict=True, verbose=0)["loss"]


def main() -> None:
    options = arguments()
    steps = 100 if options.quick else 800
    seeds = (0,) if options.quick else (0, 1, 2)
    start = time.perf_counter()
    teacher = trained_teacher(2 * steps)
    seconds = time.perf_counter() - start
    runs: dict[str, dict[str, list[dict]]] = {}
    for split in ("all[:90%]", "all[:2%]"):
        runs[split] = {way: [] for way in WAYS}
        for seed in seeds:
            for way in WAYS:
                found = student_loss(teacher, way, split, steps, seed)
                runs[split][way].append(found)
                print(split, seed, way, json.dumps(found), flush=True)
    result = {
        "benchmark": "distill_gpt",
        "unit": "nats per character",
        "teacher": {
            "loss": validation_loss(teacher),
            "steps": 2 * steps,
            "seconds": seconds,
            "parameters": teacher.count_params(),
        },
        "student": {
            "steps": steps,
            "parameters": make(teacher.tokenizer, STUDENT, 0).count_params(),
        },
        "means": {
            split: {
                way: statistics.mean(run["loss"] for run in found)
                for way, found in by_way.items()
            }
            for split, by_way in runs.items()
        },
        "seeds": list(seeds),
        "runs": runs,
        **describe_machine(),
    }
    if options.write:
        path = RESULTS / "distill_gpt.json"
        path.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({key: result[key] for key in ("teacher", "student", "means")}))


if __name__ == "__main__":
    main()
