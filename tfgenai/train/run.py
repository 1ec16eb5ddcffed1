"""A run: from a recipe to a folder with models, logs, pictures and a report."""

import contextlib
import dataclasses
import datetime
import math
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from tfgenai.core.model import GenerativeModel
from tfgenai.core.storage import PathLike, read_json, write_json
from tfgenai.families import load_model
from tfgenai.gan import GAN
from tfgenai.train import run_folder as files
from tfgenai.train.backup import Backup
from tfgenai.train.building import (
    check_recipe,
    family_of,
    fill_in,
    make_model,
    monitor_of,
)
from tfgenai.train.checkpoint import Checkpoint
from tfgenai.train.environment import describe_environment
from tfgenai.train.gan_health import GANHealth
from tfgenai.train.measuring import measure, needs_features, run_features
from tfgenai.train.nan_guard import NaNGuard
from tfgenai.train.progress import Progress
from tfgenai.train.recipe import Recipe
from tfgenai.train.run_data import RunData, load_run_data, validation_arrays
from tfgenai.train.run_folder import RunFolder
from tfgenai.train.run_log import RunLog
from tfgenai.train.sample_grid import SampleGrid
from tfgenai.train.sample_metrics import SampleMetrics
from tfgenai.train.stages import refuse_workers, train_autoencoder
from tfgenai.train.strategy import is_chief, strategy
from tfgenai.train.throughput import Throughput


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run.

    Args:
        folder: its folder.
        recipe: its recipe, with nothing left open.
        report: what stands in its `report.json`.
    """

    folder: Path
    recipe: Recipe
    report: dict[str, Any]

    @property
    def model_path(self) -> Path:
        """The model file to use: the best one, or the last where none is chosen."""
        return self.folder / self.report["model_file"]

    def load_model(self) -> GenerativeModel:
        """Loads the model of `model_path`."""
        return load_model(self.model_path)


def run(
    recipe: Recipe | Mapping[str, Any] | str | Path,
    folder: PathLike | None = None,
    *,
    resume: bool = False,
    command: str | None = None,
    verbose: bool = True,
) -> Run:
    """Trains, measures and exports what a recipe describes.

    The folder of a run holds

        config.yaml        the recipe, nothing left open
        data_card.json     counts, hashes and licence of the data
        environment.json   versions and devices
        log.csv  logs/     losses and rates of each epoch; the same for TensorBoard
        samples/           pictures of the same seeds over time
        best.keras         the best model by `monitor`, where something is monitored
        last.keras         the newest model
        backup/            checkpoints to go on from
        autoencoder/       the run of the first stage, where there is one
        report.json        figures, wall time, seed, command; report.html with samples

    Each file appears whole or not at all. Killed at any moment, the run goes on when
    the same recipe is run again, bit for bit as if it had not been killed; a finished
    run returns its report at once.

    Args:
        recipe: a `Recipe`, its values, a shipped recipe's name or a file's path.
        folder: the run folder; None for `runs/<name>`.
        resume: whether there must be a run to go on with. It may then be given more
            epochs.
        command: the command that is written into the report.
        verbose: whether to show progress on standard error.

    Returns:
        A `Run`.

    Raises:
        ConfigError: if the recipe has a mistake or is not that of the folder.
        DataError: if data are missing or not usable.
        StorageError: if the folder is foreign, in use, or cannot be written to.
        CheckpointError: if its checkpoints are of another model or damaged.
        NonFiniteLossError: if a loss became NaN or infinite.

    Example:
        ```python
        run = tfgenai.train.run("vae_digits", "runs/digits")
        run.report["metrics"]["fid"]["value"]
        ```
    """
    if isinstance(recipe, Mapping):
        recipe = Recipe.from_dict(recipe)
    elif not isinstance(recipe, Recipe):
        recipe = Recipe.load(recipe)
    target = RunFolder(
        Path("runs") / recipe.name if folder is None else folder, resume=resume
    )
    check_recipe(recipe)
    placement = strategy(recipe.fit.strategy)
    refuse_workers(recipe, placement)
    data = load_run_data(recipe)
    recipe = fill_in(
        recipe,
        image_shape=data.card.image_shape,
        num_classes=data.num_classes,
        text=data.text,
    )
    target.require_same(recipe)
    with placement.scope():
        model = make_model(
            recipe,
            steps_per_epoch=data.train.steps_per_epoch,
            tokenizer=None if data.text is None else data.text.tokenizer,
        )
    if not is_chief():
        return _follow(recipe, model, data, target.path)
    with target.opened(recipe) as path:
        finished = _finished_report(path, recipe)
        if finished is not None:
            return Run(path, recipe, finished)
        data.card.save(path / files.DATA_CARD)
        write_json(path / files.ENVIRONMENT, describe_environment())
        below = train_autoencoder(recipe, model, path, run, verbose=verbose)
        features = None
        if needs_features(recipe):
            features = run_features(recipe, data, path, verbose=verbose)
        callbacks = _callbacks(recipe, data, path, features, verbose)
        throughput = _fit(recipe, model, data, callbacks)
        report = _report(recipe, model, data, path, features, throughput, verbose)
        if below is not None:
            report["autoencoder"] = below
        report["command"] = command or f"tfgenai.train.run({recipe.name!r})"
        write_json(path / files.REPORT, report)
    return Run(path, recipe, report)


def _callbacks(
    recipe: Recipe, data: RunData, path: Path, features: Any, verbose: bool
) -> list[keras.callbacks.Callback]:
    seconds = recipe.fit.checkpoint_seconds
    backup = Backup(path / files.BACKUP, min_interval=seconds)
    callbacks: list[keras.callbacks.Callback] = [
        NaNGuard(
            recipe.fit.on_non_finite,
            backup=backup if recipe.fit.on_non_finite == "rollback" else None,
        ),
        Throughput()
        if data.text is None
        else Throughput("tokens", data.text.sequence_length),
    ]
    if recipe.sample_metrics is not None:
        callbacks.append(
            SampleMetrics(
                validation_arrays(recipe),
                features=features,
                seed=recipe.seed,
                metrics=recipe.sample_metrics.metrics,
                num_samples=recipe.sample_metrics.num_samples,
                every=recipe.sample_metrics.every,
            )
        )
    if issubclass(family_of(recipe), GAN):
        callbacks.append(
            GANHealth(
                getattr(features, "logits", None),
                seed=recipe.seed,
                # The samples of a small set's first epochs say nothing yet.
                patience=max(2, recipe.fit.epochs // 10),
            )
        )
    if recipe.samples is not None and data.text is None:
        callbacks.append(
            SampleGrid(
                path / files.SAMPLES,
                num_samples=recipe.samples.num_samples,
                seed=recipe.samples.seed,
                every=recipe.samples.every,
            )
        )
    monitor = monitor_of(recipe)
    if monitor is not None:
        callbacks.append(
            Checkpoint(path / files.BEST, monitor=monitor.log, mode=monitor.mode)
        )
    callbacks += [
        Checkpoint(path / files.LAST, min_interval=seconds),
        RunLog(path / files.LOG, tensorboard=path / files.EVENTS),
    ]
    if verbose:
        total = recipe.fit.epochs * data.train.steps_per_epoch
        callbacks.append(Progress(total, description=recipe.name))
    callbacks.append(backup)
    backup.companions = callbacks
    return callbacks


def _fit(
    recipe: Recipe,
    model: GenerativeModel,
    data: RunData,
    callbacks: list[keras.callbacks.Callback],
) -> Throughput:
    model.fit(
        data.train,
        epochs=recipe.fit.epochs,
        validation_data=data.validation,
        callbacks=callbacks,
        verbose=0,
    )
    return next(c for c in callbacks if isinstance(c, Throughput))


def _follow(recipe: Recipe, model: GenerativeModel, data: RunData, path: Path) -> Run:
    """The part of a worker that writes nothing: it trains along."""
    features = None
    if recipe.sample_metrics is not None:
        features = run_features(recipe, data, path, verbose=False)
    _fit(recipe, model, data, _callbacks(recipe, data, path, features, False))
    return Run(path, recipe, {"model_file": files.LAST, "metrics": {}})


def _report(
    recipe: Recipe,
    model: GenerativeModel,
    data: RunData,
    path: Path,
    features: Any,
    throughput: Throughput,
    verbose: bool,
) -> dict[str, Any]:
    """Measures and exports the chosen model; returns the report but for its command."""
    monitor = monitor_of(recipe)
    chosen = files.LAST
    if monitor is not None and (path / files.BEST).is_file():
        chosen = files.BEST
        model = load_model(path / chosen)
    began = time.perf_counter()
    if verbose:
        sys.stderr.write(f"Measuring {chosen} ...\n")
    metrics = measure(recipe, model, data, path, features=features, verbose=verbose)
    measured = time.perf_counter() - began
    exported = None
    if recipe.export is not None:
        version = model.export_serving(
            path / recipe.export,
            data_card=data.card,
            class_names=data.card.class_names,
        )
        exported = os.path.relpath(version, path)
    first = throughput.seconds_to_first_step
    return {
        "name": recipe.name,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seed": recipe.seed,
        "model_file": chosen,
        "num_trainable_parameters": sum(
            math.prod(weight.shape) for weight in model.trainable_weights
        ),
        "monitor": None if monitor is None else monitor.log,
        "metrics": metrics,
        "export": exported,
        "epochs": recipe.fit.epochs,
        f"num_{throughput.unit}": throughput.count,
        "seconds": {
            "fit": round(throughput.total_seconds(), 3),
            "training_steps": round(throughput.seconds, 3),
            "to_first_step": None if first is None else round(first, 3),
            "measuring": round(measured, 3),
        },
        "environment": describe_environment(),
        "recipe": recipe.to_dict(),
    }


def _finished_report(path: Path, recipe: Recipe) -> dict[str, Any] | None:
    """The report of a run that has nothing left to do, or None."""
    with contextlib.suppress(OSError, KeyError, TypeError):
        report = read_json(path / files.REPORT)
        exported = report["export"]
        whole = (path / report["model_file"]).is_file() and (
            exported is None or (path / exported).is_dir()
        )
        if whole and report["recipe"] == recipe.to_dict():
            return report
    return None
