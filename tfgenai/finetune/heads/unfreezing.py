"""Gradual unfreezing: the base trains along, from the top down, each part slower."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from tfgenai.finetune.freeze import freeze, unfreeze
from tfgenai.finetune.heads.head import TaskHead
from tfgenai.layers.layer_tree import base_variables, matches


def unfreeze_gradually(
    head: TaskHead,
    data: Any,
    stages: Sequence[str],
    *,
    epochs_per_stage: int = 1,
    learning_rate: float = 1e-3,
    decay: float = 2.6,
    make_optimizer: Callable[[float], keras.optimizers.Optimizer] | None = None,
    verbose: bool = True,
    **fit_options: Any,
) -> list[dict[str, list[float]]]:
    """Trains a head alone, then with one more part of its base at each stage.

    Howard & Ruder 2018, "Universal Language Model Fine-tuning for Text Classification",
    arXiv:1801.06146: gradual unfreezing (section 3.3), and a learning rate for each
    part, that of a lower one divided by `decay` (section 3.2).

    Args:
        head: a head on a pre-trained model.
        data: what `head.fit` takes.
        stages: patterns of parts of the base, the top first, such as `("final_norm",
            "block_1", "block_0")`; see `freeze`.
        epochs_per_stage: epochs of the head alone and of each stage.
        learning_rate: of the head.
        decay: by what the rate is divided from one part to the next lower one.
        make_optimizer: from a rate to a Keras optimizer; None for AdamW.
        verbose: whether to say how much trains.
        **fit_options: further arguments of `fit`.

    Returns:
        The history of each stage, the head alone first.

    Raises:
        ValueError: if a pattern matches nothing, before anything is trained.

    Example:
        ```python
        unfreeze_gradually(head, train, ("final_norm", "block_2", "block_1"))
        ```
    """
    make = make_optimizer or keras.optimizers.AdamW
    base = head.base
    freeze(base, "*", verbose=False)
    for stage in stages:
        # A mistake in the last stage must not cost the training of the first.
        unfreeze(base, stage, verbose=False)
    freeze(base, "*", verbose=False)
    histories = []
    for number in range(len(stages) + 1):
        if number:
            unfreeze(base, stages[number - 1], verbose=verbose)
        head.compile(make(learning_rate))
        head.rate_scales = _scales(head, stages[:number], decay)
        history = head.fit(data, epochs=epochs_per_stage, verbose=0, **fit_options)
        histories.append(history.history)
    head.rate_scales = {}
    return histories


def _scales(head: TaskHead, stages: Sequence[str], decay: float) -> dict[int, float]:
    """What the steps of each variable of the base are multiplied by."""
    scales: dict[int, float] = {}
    for path, variable in base_variables(head.base):
        for depth, stage in enumerate(stages, 1):
            if matches(path, [stage]):
                scales.setdefault(id(variable), decay**-depth)
    return scales
