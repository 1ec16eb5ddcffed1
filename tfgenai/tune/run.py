"""A search: trial after trial in one folder, a table, a picture, the best recipe."""

import csv
import dataclasses
import io
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from tfgenai.core.errors import CheckpointError, ConfigError, StorageError
from tfgenai.core.folder_lock import locked_folder
from tfgenai.core.storage import (
    PathLike,
    atomic_folder,
    read_json,
    remove_partials,
    require_writable_folder,
    write_bytes,
    write_json,
    write_text,
)
from tfgenai.train.building import check_recipe, monitor_of
from tfgenai.train.recipe import MonitorSection
from tfgenai.train.run import run
from tfgenai.train.run_folder import CONFIG, LOG, recipe_in
from tfgenai.tune.oracle import Oracle, Suggestion
from tfgenai.tune.parallel_coordinates import parallel_coordinates
from tfgenai.tune.recipe import TuneRecipe
from tfgenai.tune.trial import Trial, best_first, table

TRIALS = "trials"
BEST = "best.yaml"
TABLE = "trials.csv"
RECORDS = "trials.json"
PICTURE = "trials.png"


@dataclasses.dataclass(frozen=True)
class Search:
    """A finished search.

    Args:
        folder: its folder.
        objective: what was searched for.
        trials: all trials, in their order.
    """

    folder: Path
    objective: MonitorSection
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The trial with the best score."""
        return best_first(self.trials, self.objective.mode)[0]

    @property
    def table(self) -> list[list[Any]]:
        """Rows of `trials.csv`, the header first."""
        return table(self.trials, self.objective.log, self.objective.mode)


def search(
    recipe: TuneRecipe | Mapping[str, Any] | str | Path,
    folder: PathLike | None = None,
    *,
    verbose: bool = True,
) -> Search:
    """Searches for the values with which a recipe trains best.

    The folder of a search holds

        config.yaml   the recipe with its search
        trials/       a run folder for each trial, and a record when it has ended
        trials.csv    trials, the best first; trials.json: the same with all figures
        trials.png    parallel coordinates: a line for each trial, through its values
        best.yaml     the recipe with the best values, for `tfgenai train`

    Trials train and validate, but draw, measure and export nothing. Killed at any
    moment, the search goes on when it is run again, within the trial that was running,
    and finds what it would have found; it may then be given more `max_trials`. A trial
    that fails is recorded with its error, and the search learns nothing from it.

    Args:
        recipe: a `TuneRecipe`, its values, or a file's path.
        folder: the folder; None for `runs/<name>_search`.
        verbose: whether to show progress on standard error.

    Returns:
        A `Search`.

    Raises:
        ConfigError: if the recipe has a mistake, also at an end of a range, or is not
            that of the folder; or if too many trials failed in a row.
        StorageError: if the folder is foreign, in use, or cannot be written to.
        CheckpointError: if its records are not those of this search.

    Example:
        ```python
        found = tfgenai.tune.search("search.yaml")
        found.best.values  # {'model.latent_dim': 12, ...}
        tfgenai.train.run(found.folder / "best.yaml")
        ```
    """
    if isinstance(recipe, Mapping):
        recipe = TuneRecipe.from_dict(recipe)
    elif not isinstance(recipe, TuneRecipe):
        recipe = TuneRecipe.load(recipe)
    objective = _objective(recipe)
    _check_space(recipe)
    path = Path("runs") / f"{recipe.name}_search" if folder is None else Path(folder)
    _require_same(path, recipe)
    require_writable_folder(path)
    with locked_folder(path):
        _require_same(path, recipe)
        remove_partials(path)
        write_text(path / CONFIG, recipe.to_yaml())
        trials = _all_trials(recipe, objective, path, verbose)
        return _written(recipe, objective, path, trials)


def _objective(recipe: TuneRecipe) -> MonitorSection:
    found = recipe.tune.objective or monitor_of(recipe)
    if found is None:
        raise ConfigError(
            "An objective was expected. Received: tune.objective=None, and the recipe "
            "monitors nothing. Give one, such as {log: val_loss, mode: min}, with a "
            "data.validation_split."
        )
    is_validated = recipe.data.validation_split or recipe.sample_metrics
    if found.log.startswith("val_") and not is_validated:
        raise ConfigError(
            f"Validation data were expected for tune.objective.log={found.log!r}. "
            "Received: data.validation_split=None. Name a split."
        )
    return found


def _check_space(recipe: TuneRecipe) -> None:
    """Refuses a search that would meet a mistake only after hours."""
    check_recipe(recipe.with_values({}))
    for key, part in recipe.tune.space.items():
        for value in part.extremes:
            check_recipe(recipe.with_values({key: value}))


def _require_same(path: Path, recipe: TuneRecipe) -> None:
    there = recipe_in(path, TuneRecipe, "a search")
    if there is not None and _searched(there) != _searched(recipe):
        raise ConfigError(
            f"The recipe of the search in {str(path)!r} was expected; only "
            "tune.max_trials and tune.max_failures may differ. Received: another one. "
            f"Choose another --output, or give its {CONFIG}."
        )


def _searched(recipe: TuneRecipe) -> dict[str, Any]:
    """What the trials depend on."""
    values = recipe.to_dict()
    for key in ("max_trials", "max_failures"):
        del values["tune"][key]
    return values


def _all_trials(
    recipe: TuneRecipe, objective: MonitorSection, path: Path, verbose: bool
) -> list[Trial]:
    oracle = Oracle(recipe, objective.mode)
    trials: list[Trial] = []
    failures = 0
    try:
        while (suggestion := oracle.suggest()) is not None:
            trial = _recorded(path, suggestion)
            if trial is None:
                trial = _tried(recipe, objective, path, suggestion, verbose)
                record = path / TRIALS / f"{trial.folder}.json"
                write_json(record, dataclasses.asdict(trial))
            trials.append(trial)
            oracle.tell(suggestion, trial.score)
            failures = failures + 1 if trial.score is None else 0
            if failures == recipe.tune.max_failures:
                raise ConfigError(
                    f"Trials that train were expected. Received: {failures} that failed"
                    f" one after another, the last with {trial.values}: {trial.error} "
                    "Correct tune.space; or, once the cause is mended, remove their "
                    f"records {str(path / TRIALS / '*.json')!r} and run this again."
                )
    finally:
        oracle.close()
    if not best_first(trials, objective.mode):
        raise ConfigError(
            f"A trial that trains was expected. Received: {len(trials)} that failed, "
            f"the last with: {trials[-1].error}"
        )
    return trials


def _recorded(path: Path, suggestion: Suggestion) -> Trial | None:
    """What came of a trial in an earlier part of the search, or None."""
    record = path / TRIALS / f"{suggestion.number:04d}.json"
    if not record.is_file():
        return None
    try:
        trial = Trial(**read_json(record))
    except TypeError as error:
        raise CheckpointError(
            f"The record of a trial was expected. Received: {str(record)!r} ({error}). "
            "Remove it, and the trial runs again."
        ) from error
    if trial.values != suggestion.values:
        raise CheckpointError(
            f"The record of a trial of {suggestion.values} was expected. Received: "
            f"{str(record)!r} of {trial.values}. It comes from another version; choose "
            "another --output."
        )
    return trial


def _tried(
    recipe: TuneRecipe,
    objective: MonitorSection,
    path: Path,
    suggestion: Suggestion,
    verbose: bool,
) -> Trial:
    number, values = suggestion.number, suggestion.values
    epochs = suggestion.epochs or int(values.get("fit.epochs", recipe.fit.epochs))
    trial = Trial(number, values, "completed", None, epochs, suggestion.went_on_from)
    if verbose:
        words = ", ".join(f"{key}={value}" for key, value in values.items())
        sys.stderr.write(f"Trial {number}: {words}\n")
    # Layers are named by counting; a trial's must not depend on those before it.
    keras.utils.clear_session()
    folder = path / TRIALS / trial.folder
    try:
        made = recipe.with_values(
            {**values, "fit.epochs": epochs},
            # One name, so that the model of a trial can go on in another.
            name="trial",
            monitor=objective.model_dump(),
            samples=None,
            export=None,
            evaluate={"loss": False},
        )
        if suggestion.went_on_from is not None and not folder.exists():
            with atomic_folder(folder) as beside:
                before = path / TRIALS / f"{suggestion.went_on_from:04d}"
                shutil.copytree(before, beside, dirs_exist_ok=True)
        goes_on = suggestion.went_on_from is not None
        run(made, folder, resume=goes_on, verbose=verbose)
        score = _score(folder / LOG, objective)
    except (StorageError, _NoObjectiveError):
        raise
    except Exception as error:  # any: one bad trial must not end a search
        message = f"{type(error).__name__}: {error}"
        if verbose:
            sys.stderr.write(f"Trial {number} failed: {message}\n")
        return dataclasses.replace(trial, status="failed", error=message)
    return dataclasses.replace(trial, score=score)


class _NoObjectiveError(ConfigError):
    """No trial can ever have a score."""


def _score(log: Path, objective: MonitorSection) -> float:
    with open(log, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = [float(row[objective.log]) for row in rows if row.get(objective.log)]
    if not found:
        columns = sorted({name for row in rows for name in row})
        raise _NoObjectiveError(
            f"A column of the runs' {LOG} was expected: {columns}. Received: "
            f"tune.objective.log={objective.log!r}."
        )
    return min(found) if objective.mode == "min" else max(found)


def _written(
    recipe: TuneRecipe, objective: MonitorSection, path: Path, trials: list[Trial]
) -> Search:
    found = Search(path, objective, tuple(trials))
    best = recipe.with_values(found.best.values, name=f"{recipe.name}_best")
    write_text(path / BEST, best.to_yaml())
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(found.table)
    write_text(path / TABLE, lines.getvalue())
    write_json(
        path / RECORDS,
        {
            "objective": objective.model_dump(),
            "best": found.best.number,
            "trials": [dataclasses.asdict(trial) for trial in trials],
        },
    )
    write_bytes(path / PICTURE, parallel_coordinates(recipe.tune.space, found.table))
    return found
