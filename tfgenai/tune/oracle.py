"""What to try next: keras-tuner's searches, over the ranges of a recipe."""

import os
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

# The search itself computes nothing with it, but it chooses a backend when imported.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras_tuner

from tfgenai.tune.recipe import RangeSection, TuneRecipe

_DEFAULT_TRIALS = 20
_WORKER = "only"


class Suggestion:
    """A trial that the search asks for.

    Attributes:
        number: its place, from 0.
        values: by dotted key of the recipe.
        epochs: how many epochs its model shall have seen, or None for the recipe's.
        went_on_from: the trial whose model goes on, or None.
    """

    def __init__(self, trial: Any, space: dict[str, RangeSection]) -> None:
        drawn = trial.hyperparameters.values
        self._trial = trial
        self.number = int(trial.trial_id)
        self.values = {key: _value(drawn[key], part) for key, part in space.items()}
        self.epochs: int | None = drawn.get("tuner/epochs")
        past = drawn.get("tuner/trial_id")
        self.went_on_from = None if past is None else int(past)


class Oracle:
    """A seeded search: the same scores lead to the same suggestions.

    That is what makes it resumable: a new one that is told the scores of the trials
    that have ended stands where the old one stood.

    Args:
        recipe: whose `tune` section says what is searched and how.
        mode: `"min"` or `"max"`.
    """

    def __init__(self, recipe: TuneRecipe, mode: str) -> None:
        tune = recipe.tune
        self._space = tune.space
        seed = recipe.seed if tune.seed is None else tune.seed
        options: dict[str, Any] = {
            "objective": keras_tuner.Objective("score", mode),
            "hyperparameters": _hyperparameters(tune.space),
            "seed": seed % (2**31 - 1) + 1,  # keras-tuner takes 0 for no seed
            "max_consecutive_failed_trials": 2**31,  # the caller counts them
        }
        if tune.search == "hyperband":
            self._oracle = keras_tuner.oracles.HyperbandOracle(
                max_epochs=recipe.fit.epochs, factor=tune.factor, **options
            )
        else:
            kind = {
                "random": keras_tuner.oracles.RandomSearchOracle,
                "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
            }[tune.search]
            # More trials than there shall be: `max_trials` is the caller's to keep, so
            # that it may grow when a search goes on.
            self._oracle = kind(max_trials=10**4 - 1, **options)
        self._oracle.verbose = 0
        self._max_trials = tune.max_trials
        if tune.search != "hyperband" and tune.max_trials is None:
            self._max_trials = _DEFAULT_TRIALS
        # keras-tuner writes its state at every step; the search's own records are kept
        # elsewhere, whole or not at all.
        self._scratch = tempfile.TemporaryDirectory(prefix="tfgenai-tune-")
        self._oracle._set_project_dir(self._scratch.name, "search")

    def suggest(self) -> Suggestion | None:
        """The next trial, or None when the search has ended."""
        if self._max_trials and len(self._oracle.trials) >= self._max_trials:
            return None
        trial = _quietly(lambda: self._oracle.create_trial(_WORKER))
        if trial.status != "RUNNING":
            return None
        return Suggestion(trial, self._space)

    def tell(self, suggestion: Suggestion, score: float | None) -> None:
        """Says what came of a trial.

        Args:
            suggestion: the trial.
            score: its score; None if it failed.
        """
        trial = suggestion._trial
        if score is None:
            trial.status = "FAILED"
        else:
            _quietly(
                lambda: self._oracle.update_trial(trial.trial_id, {"score": score})
            )
            trial.status = "COMPLETED"
        _quietly(lambda: self._oracle.end_trial(trial))

    def close(self) -> None:
        """Removes the scratch folder."""
        self._scratch.cleanup()


def _hyperparameters(space: dict[str, RangeSection]) -> Any:
    made = keras_tuner.HyperParameters()
    for key, part in space.items():
        if part.kind == "choice":
            values = part.values or ()
            is_ordered = all(type(value) in (int, float) for value in values)
            made.Choice(key, list(range(len(values))), ordered=is_ordered)
            continue
        number = int if part.kind == "int" else float
        method = made.Int if part.kind == "int" else made.Float
        step = None if part.step is None else number(part.step)
        if part.kind == "int" and step is None and part.sampling == "linear":
            step = 1
        low, high = map(number, part.bounds)
        method(key, low, high, step=step, sampling=part.sampling)
    return made


def _value(drawn: Any, part: RangeSection) -> Any:
    if part.kind == "choice":
        return (part.values or ())[int(drawn)]
    return int(drawn) if part.kind == "int" else float(drawn)


def _quietly(call: Callable[[], Any]) -> Any:
    """Calls without the warnings that keras-tuner raises about its own code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()
