"""`prepare`: from raw data and a recipe to a folder that training can trust."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import tfgenai
from tfgenai.core import storage
from tfgenai.core.errors import StorageError
from tfgenai.data.preparation.describing import make_card
from tfgenai.data.preparation.exceptions import Exceptions
from tfgenai.data.preparation.files import write_table
from tfgenai.data.preparation.joined import JoinedSource
from tfgenai.data.preparation.judging import Judgement, judge, rules_of_leaks
from tfgenai.data.preparation.ledger import make_ledger
from tfgenai.data.preparation.prepared import Prepared, is_prepared
from tfgenai.data.preparation.previews import choose_previews
from tfgenai.data.preparation.recipe import PrepareRecipe
from tfgenai.data.preparation.report import write_report
from tfgenai.data.preparation.runners import check_runner, run_tasks
from tfgenai.data.preparation.survey import Survey, split_rules
from tfgenai.data.preparation.writing import Writing
from tfgenai.data.raw.source import RawSource

_PLAN = ("id", "split", "label", "group", "time", "synthetic")


def prepare(
    recipe: "PrepareRecipe | str | os.PathLike[str] | Mapping[str, Any]",
    output: "str | os.PathLike[str] | None" = None,
    *,
    folder: "str | os.PathLike[str] | None" = None,
    num_shards: int = 1,
    runner: str = "local",
    runner_options: Mapping[str, str] | None = None,
    synthetic: Sequence[RawSource] = (),
    replace: bool = False,
    is_quiet: bool = True,
) -> Prepared:
    """Cleans, splits and describes raw data, and accounts for every example.

    Three passes: each example alone, all examples by a few facts of each, and writing.
    The first and the last are shared by `num_shards` processes or by Beam; the result
    is the same to the last byte for any number, and after a run that was killed goes
    on. Raw data are never changed.

    Args:
        recipe: the recipe, its file, or its values.
        output: folder to make; None for `prepared/<name>`. Beside it a hidden folder
            holds the work until it is done.
        folder: where relative paths in the recipe begin; None for that of its file,
            or the current one.
        num_shards: processes that share the work, at least 1.
        runner: "local", or a runner of Apache Beam; see `run_tasks`.
        runner_options: options of Beam by name.
        synthetic: further sources, of what a model made; see
            `tfgenai.data.synthesis`.
        replace: whether an `output` that exists gives way, if it is a prepared set.
        is_quiet: whether no progress is shown.

    Returns:
        The prepared set: `card`, `ledger()`, `read(split)`.

    Raises:
        ConfigError: if the recipe makes no sense.
        DataError: if there are no data, a rule with `action: fail` found something, or
            splits leak.
        StorageError: if `output` exists, lies about the raw data, or cannot be written.

    Example:
        >>> import tempfile
        >>> recipe = {"name": "digits", "source": {"path": "digits"}}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     prepared = prepare(recipe, f"{folder}/digits")
        ...     prepared.card.num_examples
        1797
    """
    recipe, home = _read_recipe(recipe)
    recipe = recipe.located(home if folder is None else Path(folder))
    if isinstance(num_shards, bool) or num_shards < 1:
        raise ValueError(f"At least 1 shard was expected. Received: {num_shards=}.")
    check_runner(runner, runner_options)
    target = Path(output if output is not None else Path("prepared", recipe.name))
    _check_target(target, recipe.source.path, replace)
    source = recipe.open_source()
    if synthetic:
        source = JoinedSource([source, *synthetic])
    rules = recipe.make_rules(source.kind)
    single, comparing = split_rules(rules)
    leaks = rules_of_leaks(recipe.leaks, comparing, source.kind)
    chunks = source.chunks()
    storage.require_writable_folder(target.parent)
    with _work_folder(target, recipe, source) as work:
        survey = Survey(
            source,
            single,
            [*comparing, *(rule for rule in leaks if rule not in comparing)],
            Exceptions.of((one.id, one.rule) for one in recipe.exceptions),
            work,
        )
        how: dict[str, Any] = {
            "num_shards": num_shards,
            "runner": runner,
            "options": runner_options,
            "is_quiet": is_quiet,
        }
        left = [chunk for chunk in chunks if not survey.is_done(chunk.number)]
        if left:
            run_tasks(survey.work, left, what="clean", **how)
        numbers = [chunk.number for chunk in chunks]
        judgement = judge(
            survey, numbers, comparing, leaks, split=recipe.split, leaks=recipe.leaks
        )
        result = work / "result"
        (result / "data").mkdir(parents=True, exist_ok=True)
        writing = Writing(source.kind, work, result / "data")
        run_tasks(writing.work_on, _write_plans(judgement, work), what="write", **how)
        ledger = make_ledger(judgement)
        write_table(result / "ledger.parquet", ledger)
        write_table(
            result / "previews.parquet", choose_previews(survey, judgement, numbers)
        )
        card = make_card(recipe, source, [*single, *comparing], judgement, ledger)
        card.save(result / "card.json")
        storage.write_text(result / "recipe.yaml", recipe.to_yaml())
        write_report(Prepared(result))
        _put_in_place(result, target)
    return Prepared(target)


def _read_recipe(recipe: Any) -> tuple[PrepareRecipe, Path]:
    """The recipe and where its relative paths begin."""
    if isinstance(recipe, PrepareRecipe):
        return recipe, Path()
    if isinstance(recipe, Mapping):
        return PrepareRecipe.from_dict(recipe), Path()
    return PrepareRecipe.load(recipe), Path(recipe).parent


def _check_target(target: Path, source: str, replace: bool) -> None:
    """Refuses an output that would cost data."""
    if target.exists() and not (replace and is_prepared(target)):
        way = "pass replace=True (--replace)" if is_prepared(target) else "move it away"
        raise StorageError(
            f"A new folder was expected. Received: output={str(target)!r}, which "
            f"exists. Choose another, or {way}."
        )
    raw, made = Path(source), target.resolve()
    if raw.exists() and (
        made.is_relative_to(raw.resolve()) or raw.resolve().is_relative_to(made)
    ):
        raise StorageError(
            "An output apart from the raw data was expected. Received: "
            f"output={str(target)!r} and source.path={source!r}. Choose another folder."
        )


@contextlib.contextmanager
def _work_folder(
    target: Path, recipe: PrepareRecipe, source: RawSource
) -> Iterator[Path]:
    """The folder of the work, emptied if what is in it was for something else."""
    work = target.parent / f".{target.name}.preparing"
    work.mkdir(exist_ok=True)
    key = hashlib.sha256(
        "\n".join(
            (recipe.to_yaml(), source.fingerprint(), tfgenai.__version__)
        ).encode()
    ).hexdigest()
    with open(work / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(
                "An output that nobody else is preparing was expected. Received: "
                f"output={str(target)!r}. Wait for the other run, or choose another."
            ) from error
        state = work / "state.json"
        if not state.exists() or state.read_text() != json.dumps(key):
            for entry in work.iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry)
                elif entry.name != "lock":
                    entry.unlink()
            storage.write_text(state, json.dumps(key))
        storage.remove_partials(work)
        yield work
    shutil.rmtree(work)


def _write_plans(judgement: Judgement, work: Path) -> list[int]:
    """What each chunk has to write; returns the chunks that have anything to."""
    splits = np.array([split is not None for split in judgement.splits])
    table = judgement.survey.select([name for name in _PLAN if name != "split"])
    table = table.append_column("split", pa.array(judgement.splits, pa.string()))
    numbers = []
    for number in np.unique(judgement.chunks).tolist():
        rows = np.flatnonzero((judgement.chunks == number) & splits)
        if len(rows):
            write_table(work / f"plan-{number:06d}.parquet", table.take(rows))
            numbers.append(number)
    return numbers


def _put_in_place(result: Path, target: Path) -> None:
    with storage.atomic_folder(target, replace=True) as beside:
        for entry in result.iterdir():
            os.rename(entry, beside / entry.name)
