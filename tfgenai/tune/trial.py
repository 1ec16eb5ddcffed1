"""Trial: what one run of a search tried, and what came of it."""

import dataclasses
from collections.abc import Iterable
from typing import Any, Literal


@dataclasses.dataclass(frozen=True)
class Trial:
    """One run of a search.

    Args:
        number: its place in the search, from 0.
        values: what it tried, by dotted key of the recipe.
        status: `"completed"`, or `"failed"` with an `error`.
        score: the objective's best epoch; None for a failed trial.
        epochs: how many epochs its model has seen.
        went_on_from: the trial whose model it trained on, under Hyperband, or None.
        error: why it failed, or None.
    """

    number: int
    values: dict[str, Any]
    status: Literal["completed", "failed"]
    score: float | None
    epochs: int
    went_on_from: int | None = None
    error: str | None = None

    @property
    def folder(self) -> str:
        """Name of its run folder."""
        return f"{self.number:04d}"


def best_first(trials: Iterable[Trial], mode: str) -> list[Trial]:
    """Completed trials, the best first; of equals the earlier first.

    Args:
        trials: of one search.
        mode: `"min"` or `"max"`.
    """
    sign = 1.0 if mode == "min" else -1.0
    completed = [trial for trial in trials if trial.score is not None]
    return sorted(completed, key=lambda t: (sign * (t.score or 0.0), t.number))


def table(trials: Iterable[Trial], objective: str, mode: str) -> list[list[Any]]:
    """Rows of a table, its header first: the best trials first, failed ones last."""
    trials = list(trials)
    keys = list(dict.fromkeys(key for trial in trials for key in trial.values))
    rows: list[list[Any]] = [["trial", objective, "epochs", *keys, "error"]]
    failed = [trial for trial in trials if trial.score is None]
    for trial in [*best_first(trials, mode), *failed]:
        values = [trial.values.get(key) for key in keys]
        error = (trial.error or "").split("\n")[0]
        rows.append([trial.number, trial.score, trial.epochs, *values, error])
    return rows
