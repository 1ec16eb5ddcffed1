"""The whole loop from a file of feedback to a new version of the served model."""

import contextlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfgenai.core import random
from tfgenai.core.errors import DataError
from tfgenai.core.generation import require_positive
from tfgenai.core.presets import CONFIG_FILE
from tfgenai.core.storage import PathLike
from tfgenai.families import load_model
from tfgenai.finetune.freeze import forget_graphs
from tfgenai.finetune.lora import (
    adapted_layers,
    adapter_names,
    apply_lora,
    can_merge,
    merge_lora,
    refuse_merged,
    unmerge_lora,
)
from tfgenai.finetune.preferences.answers import padded_answers, reference_log_probs
from tfgenai.finetune.preferences.records import Preference, read_preferences
from tfgenai.finetune.preferences.tuner import PreferenceTuner
from tfgenai.gpt import GPT

_SPLIT_STREAM = 21
_ADAPTER = "feedback"


def tune_on_feedback(
    model: GPT | PathLike,
    feedback: PathLike | Sequence[Preference],
    *,
    export_to: PathLike | None = None,
    method: str = "dpo",
    beta: float = 0.1,
    label_smoothing: float = 0.0,
    sft_weight: float = 0.0,
    lora: Mapping[str, Any] | None = None,
    epochs: int = 1,
    batch_size: int = 16,
    learning_rate: float | None = None,
    held_out: float = 0.1,
    num_samples: int = 64,
    max_new_tokens: int = 64,
    truncate: bool = False,
    cache: PathLike | None = None,
    seed: int = 0,
    verbose: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **export_options: Any,
) -> dict[str, Any]:
    """Tunes a language model on feedback, measures it, and exports a new version.

    A share of the prompts is held out, with all that was said of them. On these the
    model is measured before and after, and writes answers of which it is told how far
    it went from where it began.

    Args:
        model: a `GPT` with a tokenizer, which is tuned in place; or its `.keras` file
            or preset folder, which stays as it is.
        feedback: a file of preferences, see `read_preferences`, or preferences.
        export_to: folder of the served model, in which the next version is made; None
            for no export.
        method: `"dpo"`, `"ipo"` or `"kto"`; see `PreferenceTuner`.
        beta: how dear it is to leave the model as it was.
        label_smoothing: see `PreferenceTuner`.
        sft_weight: see `PreferenceTuner`.
        lora: arguments of `apply_lora`, such as `{"rank": 8}`, to train a new adapter;
            None trains what is trainable. Adapters are merged in the export and left
            apart in the model, so that a next call without `lora` goes on with them.
        epochs: passes over the feedback.
        batch_size: pairs in a step.
        learning_rate: of AdamW; None for 1e-3 with an adapter and 1e-5 without.
        held_out: share of the prompts to measure on, in (0, 1).
        num_samples: answers that are written to measure the divergence.
        max_new_tokens: length of these answers, cut where they would pass what the
            model can see.
        truncate: see `PreferenceTuner.data`.
        cache: folder in which the reference's figures are kept; None for one beside the
            file of feedback, `<file>.reference`, where there is one.
        seed: seed of the split, the order and the samples.
        verbose: whether to show progress.
        callbacks: Keras callbacks for `fit`.
        **export_options: what `model.export_serving` takes.

    Returns:
        `method`, `num_preferences`, `num_held_out`; `before` and `after`: figures on
        the held-out pairs; `kl`, `kl_standard_error`: mean over written answers of
        log p / p_before, nats an answer; `history`; `export`: the new version's folder.

    Raises:
        DataError: if the feedback is damaged or too little.
        ValueError: if a number is out of range, or `lora` is given for a model on which
            an adapter acts already.
        TypeError: if the model is no `GPT`.
        CheckpointError: if the model's file is damaged.

    Example:
        ```python
        report = tune_on_feedback(lm, "feedback.jsonl", export_to="served/lm")
        report["after"]["accuracy"], report["kl"]
        ```
    """
    for name, value in (
        ("epochs", epochs),
        ("batch_size", batch_size),
        ("num_samples", num_samples),
        ("max_new_tokens", max_new_tokens),
    ):
        require_positive(name, value)
    if not 0 < held_out < 1:
        raise ValueError(
            f"A share in (0, 1) was expected. Received: held_out={held_out!r}."
        )
    if learning_rate is None:
        learning_rate = 1e-5 if lora is None else 1e-3
    if not 0 < learning_rate < math.inf:
        raise ValueError(f"A positive number was expected. Received: {learning_rate=}.")
    if isinstance(feedback, (str, os.PathLike)):
        if cache is None:
            cache = f"{os.fspath(feedback)}.reference"
        feedback = read_preferences(feedback)
    train, valid = _split(feedback, held_out, seed)
    model = _loaded(model)
    _refuse_adapters(model, lora)
    tuner = PreferenceTuner(
        model,
        method=method,
        beta=beta,
        label_smoothing=label_smoothing,
        sft_weight=sft_weight,
        seed=seed,
    )
    options: dict[str, Any] = {
        "batch_size": batch_size,
        "truncate": truncate,
        "cache": cache,
    }
    rows = tuner.data(train, **options)
    held = tuner.data(valid, **options).batches()
    if lora is not None:  # it begins at zero, so that the reference is the same
        apply_lora(model, **{"name": _ADAPTER, "verbose": verbose, **lora})
    start = [variable.numpy() for variable in model.trainable_variables]
    tuner.compile(
        keras.optimizers.AdamW(learning_rate, weight_decay=0.0, global_clipnorm=1.0)
    )
    before = tuner.evaluate(held, verbose=0, return_dict=True)
    history = tuner.fit(
        rows, epochs=epochs, verbose=2 if verbose else 0, callbacks=list(callbacks)
    )
    after = tuner.evaluate(held, verbose=0, return_dict=True)
    forget_graphs(model)
    prompts = [str(each.prompt) for each in valid]
    kl, error = _divergence(model, prompts, num_samples, max_new_tokens, seed, start)
    report = {
        "method": method,
        "num_preferences": len(train),
        "num_held_out": len(valid),
        "before": _floats(before),
        "after": _floats(after),
        "kl": kl,
        "kl_standard_error": error,
        "history": {k: _floats_of(v) for k, v in history.history.items()},
        "export": None,
    }
    if export_to is not None:
        with _merged(model):
            version = model.export_serving(export_to, **export_options)
        report["export"] = str(version)
    return report


def _loaded(model: Any) -> GPT:
    if isinstance(model, (str, os.PathLike)):
        is_preset = (Path(model) / CONFIG_FILE).is_file()
        model = (
            GPT.from_preset(model) if is_preset else load_model(model, compile=False)
        )
    if not isinstance(model, GPT):
        raise TypeError(
            f"A GPT or its file was expected. Received: model={type(model).__name__}. "
            "For images see tfgenai.finetune.images.DiffusionDPO."
        )
    return model


def _acts(model: GPT) -> bool:
    return any(found.active for _, found in adapted_layers(model))


def _refuse_adapters(model: GPT, lora: Mapping[str, Any] | None) -> None:
    refuse_merged(model)
    # Beside a new adapter the others would fall silent.
    if lora is not None and _acts(model):
        raise ValueError(
            "A model on which no adapter acts was expected for a new one. Received: "
            f"lora={lora!r} and adapters={adapter_names(model)}. Leave lora out to go "
            "on with what acts."
        )


@contextlib.contextmanager
def _merged(model: GPT) -> Iterator[None]:
    """The model with its adapters in its kernels, if there are any that fit there."""
    if not _acts(model) or not can_merge(model):
        yield
        return
    merge_lora(model)
    try:
        yield
    finally:
        unmerge_lora(model)


def _split(
    preferences: Sequence[Preference], share: float, seed: int
) -> tuple[list[Preference], list[Preference]]:
    """By prompt: what was said of a prompt that is trained on tells nothing new."""
    prompts = sorted({str(each.prompt) for each in preferences})
    if len(prompts) < 2:
        raise DataError(
            "Feedback on at least two prompts was expected. Received: "
            f"{len(preferences)} preferences on {len(prompts)}. Collect more."
        )
    order = random.numpy_generator(seed, _SPLIT_STREAM).permutation(len(prompts))
    count = min(max(1, round(share * len(prompts))), len(prompts) - 1)
    held = {prompts[i] for i in order[:count]}
    train = [each for each in preferences if str(each.prompt) not in held]
    return train, [each for each in preferences if str(each.prompt) in held]


def _divergence(
    model: GPT,
    prompts: Sequence[str],
    num_samples: int,
    max_new_tokens: int,
    seed: int,
    start: Sequence[np.ndarray],
) -> tuple[float, float]:
    """Mean log p / p_before of answers that the model writes now, and its error."""
    encode = model.require_tokenizer("Preference tuning").encode
    asked = [
        encode(prompts[i % len(prompts)])[-model.max_sequence_length :]
        for i in range(num_samples)
    ]
    # Of what slides out of its sight a model cannot say how likely the rest is.
    room = [
        min(max_new_tokens, model.max_sequence_length + 1 - len(prompt))
        for prompt in asked
    ]
    written = model.generate_tokens(asked, seed=seed, max_new_tokens=room)
    # To stop early is a choice, too, though the token is not among the written ones.
    end: Any = model.end_token
    written = [
        new if len(new) == limit else np.append(new, end)
        for new, limit in zip(written, room, strict=True)
    ]
    answers = padded_answers(list(zip(asked, written, strict=True)))
    now = reference_log_probs(model, answers)
    with _as_before(model, start):
        ratios = now - reference_log_probs(model, answers)
    return float(ratios.mean()), float(ratios.std() / len(ratios) ** 0.5)


@contextlib.contextmanager
def _as_before(model: GPT, start: Sequence[np.ndarray]) -> Iterator[None]:
    """The model with the weights that it had before it was tuned."""
    trained = model.trainable_variables
    now = [variable.numpy() for variable in trained]
    try:
        for variable, value in zip(trained, start, strict=True):
            variable.assign(value)
        yield
    finally:
        for variable, value in zip(trained, now, strict=True):
            variable.assign(value)


def _floats(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _floats_of(values: Sequence[Any]) -> list[float]:
    return [float(value) for value in values]
