"""Which variables of a model train: frozen and unfrozen by the names of their paths."""

import dataclasses
import difflib
import math
import sys
from typing import Any

import keras

from tfgenai.layers.adaptation import Adaptation
from tfgenai.layers.layer_tree import base_variables, matches

_SHOWN = 12


@dataclasses.dataclass(frozen=True)
class TrainableCount:
    """How many numbers of a model train.

    Args:
        trainable: those that an optimizer moves.
        total: all weights, without averages and optimizers.
    """

    trainable: int
    total: int

    def __str__(self) -> str:
        share = self.trainable / max(self.total, 1)
        return f"{self.trainable:,} of {self.total:,} weights train ({share:.2%})."


def count_trainable(model: keras.Model) -> TrainableCount:
    """Counts the numbers that train, adapters among them.

    Args:
        model: any Keras model.

    Example:
        >>> layer = keras.layers.Dense(3)
        >>> model = keras.Sequential([keras.Input((2,)), layer])
        >>> print(count_trainable(model))
        9 of 9 weights train (100.00%).
    """
    trainable = {id(v): math.prod(v.shape) for v in model.trainable_variables}
    every = {id(v): math.prod(v.shape) for _, v in base_variables(model)}
    return TrainableCount(sum(trainable.values()), sum({**every, **trainable}.values()))


def freeze(model: keras.Model, *patterns: str, verbose: bool = True) -> TrainableCount:
    """Freezes variables: no optimizer moves them until they are unfrozen.

    Averaged weights, where the model keeps them, are what is frozen. Batch
    normalisation whose weights are frozen keeps its statistics, too. The model must be
    compiled anew, because a compiled one would go on as before.

    Args:
        model: any Keras model with its weights made.
        *patterns: paths, or ends of paths, of variables or of layers, which stand for
            all that is in them: `"decoder/block_0"`, `"query"`, `"block_*/attention"`,
            or `"*"`.
        verbose: whether to say on standard error how much still trains.

    Returns:
        How much still trains.

    Raises:
        ValueError: if a pattern matches nothing; near names are shown.

    Example:
        >>> import tfgenai as tg
        >>> gpt = tg.GPT(50, num_layers=1, num_heads=2, hidden_dim=8)
        >>> print(freeze(gpt, "decoder", verbose=False))
        0 of 3,336 weights train (0.00%).
        >>> print(unfreeze(gpt, "query", "final_norm", verbose=False))
        88 of 3,336 weights train (2.64%).
    """
    Adaptation.of(model).freeze(_chosen(model, patterns))
    return _after_change(model, verbose)


def unfreeze(
    model: keras.Model, *patterns: str, verbose: bool = True
) -> TrainableCount:
    """Lets variables train again that `freeze` or an adapter froze.

    Args:
        model: any Keras model.
        *patterns: paths, or ends of paths, of variables or layers.
        verbose: whether to say on standard error how much trains.

    Returns:
        How much trains.

    Raises:
        ValueError: if a pattern matches nothing.
    """
    Adaptation.of(model).unfreeze(_chosen(model, patterns))
    return _after_change(model, verbose)


def _chosen(model: Any, patterns: tuple[str, ...]) -> list[keras.Variable]:
    named = base_variables(model)
    require_matches(patterns, [path for path, _ in named], "variables")
    return [variable for path, variable in named if matches(path, patterns)]


def require_matches(patterns: tuple[str, ...], paths: list[str], what: str) -> None:
    """Refuses patterns of which one matches none of some paths.

    Args:
        patterns: what was asked for.
        paths: what there is.
        what: what the paths are of, for the message.

    Raises:
        ValueError: if there are no patterns, or one of them matches nothing.
    """
    if not patterns:
        raise ValueError(
            f"At least one pattern was expected. Received: none. Use '*' for all {what}"
            "."
        )
    for pattern in patterns:
        if not isinstance(pattern, str) or not any(
            matches(path, [pattern]) for path in paths
        ):
            names = sorted({name for path in paths for name in path.split("/")})
            near = difflib.get_close_matches(str(pattern), names, _SHOWN) or names
            raise ValueError(
                f"A pattern that matches some of the {what} was expected. Received: "
                f"pattern={pattern!r}. Names on their paths: {near[:_SHOWN]}."
            )


def _after_change(model: Any, verbose: bool) -> TrainableCount:
    require_compile(model)
    count = count_trainable(model)
    if verbose:
        sys.stderr.write(f"{count}\n")
    return count


def require_compile(model: Any) -> None:
    """Makes `fit` ask for `compile`, and forgets every graph of the model."""
    model.compiled = False
    forget_graphs(model)


def forget_graphs(model: Any) -> None:
    """Forgets every graph of a model whose layers now compute something else."""
    model.train_function = model.test_function = model.predict_function = None
    model.__dict__.pop("_sampler_cache", None)
