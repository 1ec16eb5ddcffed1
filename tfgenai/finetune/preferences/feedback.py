"""The whole loop from a file of feedback to a new version of the served model."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfgenai.core import random
from tfgenai.core.errors import DataError
from tfgenai.core.storage import PathLike
from tfgenai.finetune.freeze import forget_graphs
from tfgenai.finetune.lora import (
    adapted_layers,
    apply_lora,
    merge_lora,
)
from tfgenai.finetune.preferences.answers import (
    Answers,
    reference_log_probs,
    to_answers,
)
from tfgenai.finetune.preferences.records import Preference, read_preferences
from tfgenai.finetune.preferences.tuner import PreferenceTuner
from tfgenai.gpt import GPT

_SPLIT_STREAM = 21
_ADAPTER = "feedback"


def tune_on_feedback(
    model: GPT,
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
        model: a `GPT` with a tokenizer; it is tuned in place.
        feedback: a file of preferences, see `read_preferences`, or preferences.
        export_to: folder of the served model, in which the next version is made; None
            for no export.
        method: `"dpo"`, `"ipo"` or `"kto"`; see `PreferenceTuner`.
        beta: how dear it is to leave the model as it was.
        label_smoothing: see `PreferenceTuner`.
        sft_weight: see `PreferenceTuner`.
        lora: arguments of `apply_lora`, such as `{"rank": 8}`, to train an adapter,
            which is merged in the export; None trains what is trainable.
        epochs: passes over the feedback.
        batch_size: pairs in a step.
        learning_rate: of AdamW; None for 1e-3 with an adapter and 1e-5 without.
        held_out: share of the prompts to measure on, in (0, 1).
        num_samples: answers that are written to measure the divergence.
        max_new_tokens: length of these answers, cut where they would pass what the
            model can see.
        cache: folder in which the reference's figures are kept; None for none.
        seed: seed of the split, the order and the samples.
        verbose: whether to show progress.
        callbacks: Keras callbacks for `fit`.
        **export_options: what `model.export_serving` takes.

    Returns:
        `method`, `num_preferences`, `num_held_out`; `before` and `after`: figures on
        the held-out pairs; `kl`: mean over written answers of log p / p_before, nats an
        answer, and its standard error; `history`; `export`: the new version's folder.

    Raises:
        DataError: if the feedback is damaged or too little.
        ValueError: if a number is out of range.

    Example:
        ```python
        report = tune_on_feedback(lm, "feedback.jsonl", export_to="served/lm")
        report["after"]["accuracy"], report["kl"]
        ```
    """
    if isinstance(feedback, (str, os.PathLike)):
        feedback = read_preferences(feedback)
    if not 0 < held_out < 1:
        raise ValueError(
            f"A share in (0, 1) was expected. Received: held_out={held_out!r}."
        )
    train, valid = _split(feedback, held_out, seed)
    tuner = PreferenceTuner(
        model,
        method=method,
        beta=beta,
        label_smoothing=label_smoothing,
        sft_weight=sft_weight,
        seed=seed,
    )
    if lora is not None:
        apply_lora(model, **{"name": _ADAPTER, "verbose": verbose, **lora})
    rate = learning_rate or (1e-5 if lora is None else 1e-3)
    rows = tuner.data(train, batch_size=batch_size, cache=cache)
    held = tuner.data(valid, batch_size=batch_size, cache=cache).batches()
    start = [variable.numpy() for variable in model.trainable_variables]
    tuner.compile(keras.optimizers.AdamW(rate, weight_decay=0.0, global_clipnorm=1.0))
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
        if any(found.active for _, found in adapted_layers(model)):
            merge_lora(model)
        version = model.export_serving(export_to, **export_options)
        report["export"] = str(version)
    return report


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
    asked = [prompts[i % len(prompts)] for i in range(num_samples)]
    # Of what slides out of its sight a model cannot say how likely the rest is.
    encode = model.require_tokenizer("Preference tuning").encode
    longest = max(len(encode(prompt)) for prompt in asked)
    room = model.max_sequence_length + 1 - longest
    max_new_tokens = max(1, min(max_new_tokens, room))
    texts = model.generate(asked, seed=seed, max_new_tokens=max_new_tokens)
    pairs = [
        (prompt, text[len(prompt) :])
        for prompt, text in zip(asked, texts, strict=True)
        if len(text) > len(prompt)
    ]
    if not pairs:
        return 0.0, 0.0
    answers: Answers = to_answers(model, pairs, ["a written answer"] * len(pairs))
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
