"""A fine-tuning run: from a recipe to a folder with the new model and a report."""

import datetime
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import keras

from tfgenai.core.errors import ConfigError, DataError, StorageError
from tfgenai.core.model import GenerativeModel
from tfgenai.core.storage import (
    PathLike,
    read_json,
    require_writable_folder,
    sha256_of_file,
    write_json,
    write_text,
)
from tfgenai.families import load_model
from tfgenai.finetune.adapter_files import base_hash, save_adapter
from tfgenai.finetune.epoch_rows import EpochRows
from tfgenai.finetune.freeze import count_trainable
from tfgenai.finetune.heads import (
    ClassifierHead,
    Features,
    evaluate_classifier,
    unfreeze_gradually,
)
from tfgenai.finetune.lora import apply_lora, merge_lora
from tfgenai.finetune.preferences import read_preferences, tune_on_feedback
from tfgenai.finetune.recipe import FinetuneRecipe
from tfgenai.finetune.run_data import first_of_each, labelled_arrays, load_for
from tfgenai.gpt import GPT
from tfgenai.train import Backup
from tfgenai.train.environment import describe_environment
from tfgenai.train.run_folder import BACKUP, BEST, CONFIG, LAST, REPORT

_Section = TypeVar("_Section")
MODEL = "model.keras"
ADAPTER = "adapter.safetensors"


def finetune(
    recipe: FinetuneRecipe | Mapping[str, Any] | str | Path,
    folder: PathLike | None = None,
    *,
    verbose: bool = True,
) -> dict[str, Any]:
    """Fine-tunes, measures and exports what a recipe describes.

    The folder holds `config.yaml`, `model.keras` (of an adapter, with it beside the
    base), `adapter.safetensors` where one was trained, and `report.json`. A run that
    was stopped while it trained an adapter goes on when the same recipe is run again; a
    finished one returns its report at once, but is refused if its feedback has changed.

    Args:
        recipe: a `FinetuneRecipe`, its values, or a file's path.
        folder: the run folder; None for `runs/<name>`.
        verbose: whether to show progress.

    Returns:
        What stands in `report.json`.

    Raises:
        ConfigError: if the recipe has a mistake, the folder is of another one, or a
            finished run's feedback has changed since.
        CheckpointError: if the base is none.
        DataError: if data are missing or not usable.
        StorageError: if the folder is foreign or cannot be written to.

    Example:
        ```python
        report = tfgenai.finetune.finetune("feedback.yaml")
        report["export"]
        ```
    """
    if isinstance(recipe, Mapping):
        recipe = FinetuneRecipe.from_dict(recipe)
    elif not isinstance(recipe, FinetuneRecipe):
        recipe = FinetuneRecipe.load(recipe)
    path = Path("runs") / recipe.name if folder is None else Path(folder)
    finished = _look(path, recipe)
    if finished is not None:
        return finished
    base = load_model(model_file(recipe.base), compile=False)
    if recipe.task == "feedback":
        # A damaged file must stop the run before a folder is made.
        read_preferences(_given(recipe.feedback).file)
    require_writable_folder(path)
    write_text(path / CONFIG, recipe.to_yaml())
    started = time.perf_counter()
    digest, feedback_digest = base_hash(base), _feedback_hash(recipe)
    try:
        figures, model = _TASKS[str(recipe.task)](recipe, base, path, verbose)
    except (ConfigError, DataError):
        # Nothing was learned: another try, told otherwise, may have the folder.
        if [entry.name for entry in path.iterdir()] == [CONFIG]:
            (path / CONFIG).unlink()
        raise
    exported = figures.pop("export", None)
    if recipe.export_to is not None and exported is None:
        exported = str(model.export_serving(recipe.export_to))
    report = {
        "name": recipe.name,
        "task": recipe.task,
        "base": recipe.base,
        "base_sha256": digest,
        "feedback_sha256": feedback_digest,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seed": recipe.seed,
        "model_file": MODEL,
        "export": exported,
        "seconds": round(time.perf_counter() - started, 3),
        **figures,
        "environment": describe_environment(),
        "recipe": recipe.to_dict(),
    }
    write_json(path / REPORT, report)
    return report


def model_file(path: PathLike) -> Path:
    """The `.keras` file that is meant by a file or a run folder."""
    folder = Path(path)
    for name in (BEST, LAST, MODEL):
        if (folder / name).is_file():
            return folder / name
    return folder


def _look(path: Path, recipe: FinetuneRecipe) -> dict[str, Any] | None:
    """The report of a finished run of the same recipe; refuses what is another's."""
    if not path.exists():
        return None
    if not path.is_dir() or (any(path.iterdir()) and not (path / CONFIG).is_file()):
        raise StorageError(
            f"An empty folder, or one of a run, was expected. Received: path="
            f"{str(path)!r}. Choose another --output."
        )
    if not (path / CONFIG).is_file():
        return None
    there = FinetuneRecipe.load(path / CONFIG)
    if there != recipe:
        raise ConfigError(
            f"The recipe of the run in {str(path)!r} was expected. Received: another. "
            f"Choose another --output, or give the recipe that is in its {CONFIG}."
        )
    if is_finished(path):
        report: dict[str, Any] = read_json(path / REPORT)
        learned, now = report.get("feedback_sha256"), _feedback_hash(recipe)
        if learned is not None and now is not None and learned != now:
            raise ConfigError(
                f"The feedback that the run in {str(path)!r} learned was expected. "
                f"Received: {_given(recipe.feedback).file!r}, which has changed since. "
                "Choose another --output to learn from what it says now."
            )
        return report
    return None


def is_finished(folder: PathLike) -> bool:
    """Whether a run has ended, with its model and its report."""
    return all((Path(folder) / name).is_file() for name in (REPORT, MODEL))


def _feedback_hash(recipe: FinetuneRecipe) -> str | None:
    file = None if recipe.feedback is None else Path(recipe.feedback.file)
    return sha256_of_file(file) if file is not None and file.is_file() else None


def _train_adapter(
    recipe: FinetuneRecipe, base: Any, path: Path, verbose: bool
) -> tuple[dict[str, Any], GenerativeModel]:
    """Goes on with the model's own training, by an adapter or with all weights."""
    data = _given(recipe.data)
    train = load_for(base, data, data.split, recipe.seed)
    held = data.validation_split
    valid = None if held is None else load_for(base, data, held, recipe.seed)
    if recipe.adapter is not None:
        apply_lora(
            base, **recipe.adapter.model_dump(), seed=recipe.seed, verbose=verbose
        )
    rate = recipe.learning_rate or (1e-3 if recipe.adapter else 1e-4)
    base.compile(_adamw(rate))
    before = (
        None if valid is None else base.evaluate(valid, verbose=0, return_dict=True)
    )
    base.fit(
        train,
        epochs=recipe.epochs,
        callbacks=[Backup(path / BACKUP)],
        verbose=2 if verbose else 0,
    )
    after = _measured(base, valid)
    count = count_trainable(base)
    base.save(path / MODEL)
    if recipe.adapter is not None:
        save_adapter(base, path / ADAPTER)
        if recipe.export_to is not None:
            merge_lora(base)
    return {
        "num_trainable_parameters": count.trainable,
        "before": before,
        "after": after,
    }, base


def _learn_feedback(
    recipe: FinetuneRecipe, base: Any, path: Path, verbose: bool
) -> tuple[dict[str, Any], GenerativeModel]:
    """The loop from feedback to a new version."""
    if not isinstance(base, GPT):
        raise ConfigError(
            "A language model was expected for feedback. Received: "
            f"base={recipe.base!r}, a {type(base).__name__}. For images see "
            "tfgenai.finetune.images.DiffusionDPO."
        )
    options = _given(recipe.feedback).model_dump()
    file = options.pop("file")
    lora = None
    if recipe.adapter is not None:
        lora = {**recipe.adapter.model_dump(), "seed": recipe.seed}
    report = tune_on_feedback(
        base,
        file,
        export_to=recipe.export_to,
        lora=lora,
        epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        seed=recipe.seed,
        verbose=verbose,
        **options,
    )
    report.pop("history")
    base.save(path / MODEL)
    return report, base


def _train_classifier(
    recipe: FinetuneRecipe, base: Any, path: Path, verbose: bool
) -> tuple[dict[str, Any], GenerativeModel]:
    """A head, trained on a labelled split and measured on another."""
    if isinstance(base, GPT):
        raise ConfigError(
            "A model of images was expected, because sets of text carry no labels. "
            f"Received: base={recipe.base!r}, a GPT. Use ClassifierHead from Python."
        )
    data = _given(recipe.data)
    section = _given(recipe.classifier)
    train, names = labelled_arrays(data, data.split, recipe.seed)
    test, _ = labelled_arrays(data, data.validation_split or "test", recipe.seed)
    if section.examples_per_class is not None:
        train = first_of_each(train, section.examples_per_class)
    head = ClassifierHead(
        base,
        len(names),
        class_names=names,
        features=Features(section.layer, section.pool, section.time),
        hidden_dim=section.hidden_dim,
        dropout=section.dropout,
        label_smoothing=section.label_smoothing,
        seed=recipe.seed,
    )
    if head.hidden is None:
        head.fit_probe(*train)
    if head.hidden is not None or section.unfreeze:
        unfreeze_gradually(
            head,
            EpochRows(train, batch_size=data.batch_size, seed=recipe.seed),
            section.unfreeze,
            epochs_per_stage=recipe.epochs,
            learning_rate=recipe.learning_rate or 1e-3,
            make_optimizer=_adamw,
            verbose=verbose,
        )
    report = evaluate_classifier(head, test, train)
    head.compile()
    head.save(path / MODEL)
    return {"classifier": report.to_dict(), "text": str(report)}, head


def _adamw(rate: float) -> keras.optimizers.Optimizer:
    return keras.optimizers.AdamW(rate, weight_decay=0.0, global_clipnorm=1.0)


def _measured(model: Any, data: Any) -> dict[str, float] | None:
    if data is None:
        return None
    figures = model.evaluate(data, verbose=0, return_dict=True)
    return {name: float(value) for name, value in figures.items()}


def _given(section: _Section | None) -> _Section:
    """A section that the recipe requires for its task."""
    if section is None:
        raise ConfigError("A section was expected. Received: none.")
    return section


_Task = Callable[
    [FinetuneRecipe, Any, Path, bool], tuple[dict[str, Any], GenerativeModel]
]
_TASKS: dict[str, _Task] = {
    "adapter": _train_adapter,
    "classifier": _train_classifier,
    "feedback": _learn_feedback,
}
