"""The folder of a run: whose it is, whether it may be used, and what lies in it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from tfgenai.core.errors import ConfigError, StorageError
from tfgenai.core.folder_lock import locked_folder
from tfgenai.core.recipe_file import RecipeFile
from tfgenai.core.recipe_values import parse_yaml
from tfgenai.core.storage import (
    PathLike,
    is_partial,
    remove_partials,
    require_writable_folder,
    write_text,
)
from tfgenai.train.recipe import Recipe

CONFIG = "config.yaml"
DATA_CARD = "data_card.json"
ENVIRONMENT = "environment.json"
LOG = "log.csv"
EVENTS = "logs"
SAMPLES = "samples"
BACKUP = "backup"
BEST = "best.keras"
LAST = "last.keras"
EXTRACTOR = "extractor"
REPORT = "report.json"
PAGE = "report.html"

# What does not change the training: it may differ when a run goes on.
_FREE_SECTIONS = ("evaluate", "export", "samples")
_FREE_FIT_KEYS = ("checkpoint_seconds", "epochs")
_SHOWN = 5

_Recipe = TypeVar("_Recipe", bound=RecipeFile)


class RunFolder:
    """A folder that is new, or holds an earlier part of the same run.

    Making the object writes nothing: it looks, and refuses what is not ours.

    Args:
        path: the folder.
        resume: whether there must be a run in it.

    Attributes:
        path: the folder.
        recipe: the recipe of the run in it, or None if it is new.

    Raises:
        StorageError: if it is not a folder or holds other things.
        ConfigError: if its config cannot be read, or there is nothing to resume.
    """

    def __init__(self, path: PathLike, *, resume: bool = False) -> None:
        self.path = Path(path)
        self._resume = resume
        self.recipe = self._look()
        if resume and self.recipe is None:
            raise ConfigError(
                "The folder of a run was expected, to resume it. Received: "
                f"path={str(self.path)!r}, which holds none. Leave --resume out to "
                "begin one."
            )

    def require_same(self, recipe: Recipe) -> None:
        """Refuses a recipe that is not the one of the run in the folder.

        Sections that do not change the training may differ; `fit.epochs` may grow if
        the run is resumed on purpose.

        Args:
            recipe: the recipe to go on with, filled in.

        Raises:
            ConfigError: if they differ; the message names where.
        """
        if self.recipe is None:
            return
        there, here = _training_values(self.recipe), _training_values(recipe)
        keys = [key for key in {**there, **here} if there.get(key) != here.get(key)]
        if keys:
            words = "; ".join(
                f"{key}={here.get(key)!r} instead of {there.get(key)!r}"
                for key in keys[:_SHOWN]
            )
            raise ConfigError(
                f"The recipe of the run in {str(self.path)!r} was expected. Received: "
                f"{words}. Choose another --output, or give the recipe that is in its "
                f"{CONFIG}."
            )
        before, now = self.recipe.fit.epochs, recipe.fit.epochs
        if now < before or (now > before and not self._resume):
            raise ConfigError(
                f"fit.epochs={before} was expected, as in {str(self.path / CONFIG)!r}. "
                f"Received: fit.epochs={now}. More epochs are trained with --resume; "
                "a schedule then spans all of them. For fewer, choose another --output."
            )

    @contextlib.contextmanager
    def opened(self, recipe: Recipe) -> Iterator[Path]:
        """Makes the folder, keeps other processes out of it, and writes its config.

        Args:
            recipe: the recipe of the run, filled in.

        Yields:
            The folder.

        Raises:
            StorageError: if it cannot be written to, or another process trains in it.
        """
        require_writable_folder(self.path)
        with locked_folder(self.path):
            self._look()  # the other process may have been first
            remove_partials(self.path)
            if recipe != self.recipe:
                write_text(self.path / CONFIG, recipe.to_yaml())
            yield self.path

    def _look(self) -> Recipe | None:
        return recipe_in(self.path, Recipe, "a run")


def recipe_in(path: Path, kind: type[_Recipe], owner: str) -> _Recipe | None:
    """The recipe of what was begun in a folder; None if the folder is new or empty.

    Args:
        path: the folder.
        kind: of the recipe in its `config.yaml`.
        owner: whose folder it is, for messages, such as `"a run"`.

    Raises:
        StorageError: if it is no folder or holds other things.
        ConfigError: if its config cannot be read.
    """
    if not path.exists():
        return None
    if not path.is_dir():
        raise StorageError(
            f"A folder was expected. Received: path={str(path)!r}, a file. Choose "
            "another --output."
        )
    config = path / CONFIG
    others = sorted(entry.name for entry in path.iterdir() if not is_partial(entry))
    if not others:
        return None
    if CONFIG not in others:
        raise StorageError(
            f"An empty folder, or one of {owner} with its {CONFIG}, was expected. "
            f"Received: path={str(path)!r}, which holds {', '.join(others[:3])}. "
            "Choose another --output."
        )
    try:
        values = parse_yaml(config.read_text(encoding="utf-8"), source=str(config))
        return kind.from_dict(values, source=str(config))
    except (OSError, TypeError, ValueError) as error:
        raise ConfigError(
            f"The config of {owner} was expected. Received: path={str(config)!r}, "
            f"which cannot be read ({error}). Restore it, or choose another "
            "--output."
        ) from error


def _training_values(recipe: Recipe) -> dict[str, Any]:
    """Values that training depends on, by dotted key."""
    flat: dict[str, Any] = {}

    def add(key: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                add(f"{key}.{name}" if key else name, inner)
        else:
            flat[key] = value

    for section, value in recipe.to_dict().items():
        if section not in _FREE_SECTIONS:
            add(section, value)
    for key in _FREE_FIT_KEYS:
        flat.pop(f"fit.{key}", None)
    return flat
