"""Backup: checkpoints from which a killed `fit` goes on as if nothing had happened."""

import json
import shutil
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfgenai.core.errors import CheckpointError
from tfgenai.core.storage import (
    PathLike,
    atomic_folder,
    read_json,
    remove_partials,
    require_writable_folder,
    sha256_of_file,
)
from tfgenai.train.callback_state import collect_states, hand_out_states
from tfgenai.train.model_identity import differences, identity_of
from tfgenai.train.strategy import is_chief

_WEIGHTS = "model.weights.h5"
_STATE = "state.json"
_PREFIX = "epoch-"


class Backup(keras.callbacks.Callback):
    """Keeps checkpoints at epoch borders, and lets `fit` go on from the newest.

    A checkpoint holds all weights of the model (the averages and the step counter with
    them), the state of every optimizer, the history, and the state of the other
    callbacks. It is written beside, flushed and renamed: `kill -9` at any moment leaves
    the last one whole. Noise and data order are functions of seed, step and epoch, so
    a resumed run is, bit for bit, the run that was not interrupted.

    What is lost by an interruption is the running epoch, and with `min_interval` the
    epochs of that time: there are no checkpoints inside of an epoch, because the place
    in the data could not be found again. Use smaller epochs (`steps_per_epoch`) where
    that is too much.

    A finished run keeps its checkpoint: the same `fit` again does nothing, and one with
    more `epochs` goes on. The place in the list of callbacks does not matter. Other
    callbacks take part through `get_backup_state() -> dict` (JSON values) and
    `set_backup_state(dict)`; Keras's `EarlyStopping`, `ReduceLROnPlateau` and
    `ModelCheckpoint` do so as they are.

    Args:
        folder: where the checkpoints are kept, one folder each.
        save_freq: `"epoch"`, the only one.
        keep: number of checkpoints kept, 1 or more. With 2, a checkpoint that the
            disk has damaged costs one epoch and not the run.
        min_interval: seconds that must lie between two checkpoints; useful where an
            epoch is shorter than writing one. The last epoch's is always written.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> Backup("runs/digits/backup").last_checkpoint is None
        True
    """

    def __init__(
        self,
        folder: PathLike,
        *,
        save_freq: str = "epoch",
        keep: int = 2,
        min_interval: float = 0.0,
    ) -> None:
        super().__init__()
        if save_freq != "epoch":
            raise ValueError(
                "save_freq='epoch' was expected: a place inside of an epoch cannot be "
                f"found again exactly. Received: save_freq={save_freq!r}. Make the "
                "epochs shorter with steps_per_epoch."
            )
        if keep < 1 or min_interval < 0:
            raise ValueError(
                "keep >= 1 and min_interval >= 0 were expected. Received: "
                f"keep={keep}, min_interval={min_interval}."
            )
        self.folder = Path(folder)
        self.save_freq = save_freq
        self.keep = keep
        self.min_interval = min_interval
        self.last_checkpoint: Path | None = None
        # The other callbacks of the run, whose state is kept; `fit` sets it.
        self.companions: Sequence[Any] = ()
        self._restored: dict[str, Any] | None = None
        self._is_asked = False

    def restore(self, model: Any) -> int | None:
        """Brings a model to the newest checkpoint; `fit` calls it before all else.

        Args:
            model: a compiled `GenerativeModel`.

        Returns:
            The epoch to go on from, or None if there is no checkpoint.

        Raises:
            CheckpointError: if the checkpoints are of another model or all damaged.
            StorageError: if the folder cannot be written to.
        """
        require_writable_folder(self.folder)
        if is_chief():
            remove_partials(self.folder)
        self._is_asked = True
        self._restored = None
        self.last_checkpoint = None
        self._next_epoch: int | None = None
        self._saved_at = -float("inf")
        state = self.load_latest(model)
        if state is None:
            return None
        self._restored = state
        self._next_epoch = state["epoch"]
        return state["epoch"]

    def load_latest(self, model: Any) -> dict[str, Any] | None:
        """Loads the newest whole checkpoint into a model; returns its state.

        Raises:
            CheckpointError: if the checkpoints are of another model or all damaged.
        """
        checkpoints = self.checkpoints()
        for path in reversed(checkpoints):
            try:
                state = _read_state(path)
            except CheckpointError as error:
                warnings.warn(str(error), RuntimeWarning, stacklevel=2)
                continue
            _load(model, path, state)
            self.last_checkpoint = path
            return state
        if checkpoints:
            raise CheckpointError(
                f"A whole checkpoint was expected. Received: folder="
                f"{str(self.folder)!r}, whose {len(checkpoints)} are all damaged. "
                "Remove the folder to begin anew."
            )
        return None

    def checkpoints(self) -> list[Path]:
        """The checkpoints in the folder, oldest first."""
        found = [p for p in self.folder.glob(f"{_PREFIX}*") if (p / _STATE).exists()]
        return sorted(found, key=lambda path: path.name)

    def on_train_begin(self, logs: Any = None) -> None:
        """Refuses models whose `fit` does not ask for the first epoch."""
        if not self._is_asked:
            raise TypeError(
                "The fit of a tfgenai.GenerativeModel was expected. Received: model="
                f"{type(self.model).__name__}. Use keras.callbacks.BackupAndRestore."
            )
        self._is_asked = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Hands out restored state once; then saves what the epoch starts from.

        Only here have all callbacks seen the end of the epoch before.
        """
        self._hand_out()
        self._next_epoch = epoch
        is_due = time.monotonic() - self._saved_at >= self.min_interval
        if is_due and not self._is_saved(epoch):
            self._save(epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Notes that an epoch was finished."""
        self._next_epoch = epoch + 1

    def on_train_end(self, logs: Any = None) -> None:
        """Saves the state that `fit` ends with."""
        self._hand_out()  # a run that was finished before has had no epoch
        if self._next_epoch is not None and not self._is_saved(self._next_epoch):
            self._save(self._next_epoch)

    def _hand_out(self) -> None:
        if self._restored is None:
            return
        state, self._restored = self._restored, None
        self.model.history.epoch = list(state["history_epochs"])
        self.model.history.history = dict(state["history"])
        hand_out_states(self._others(), state["callbacks"], folder=self.last_checkpoint)

    def _save(self, epoch: int) -> None:
        self._saved_at = time.monotonic()
        if not _is_finite(self.model):
            warnings.warn(
                f"Weights are not finite at the start of epoch {epoch}: no checkpoint "
                f"is made, the last good one is {str(self.last_checkpoint)!r}.",
                RuntimeWarning,
                stacklevel=2,
            )
            return
        path = self.folder / f"{_PREFIX}{epoch:06d}"
        if is_chief():
            history = self.model.history
            with atomic_folder(path, replace=True) as beside:
                self.model.save_weights(beside / _WEIGHTS)
                state = {
                    "epoch": epoch,
                    "step": int(self.model.step.numpy()),
                    "model": identity_of(self.model),
                    "weights_sha256": sha256_of_file(beside / _WEIGHTS),
                    "history_epochs": list(history.epoch),
                    "history": history.history,
                    "callbacks": collect_states(self._others(), folder=beside),
                }
                text = json.dumps(state, indent=1, default=float)
                (beside / _STATE).write_text(text, encoding="utf-8")
            for old in self.checkpoints()[: -self.keep]:
                shutil.rmtree(old, ignore_errors=True)
        self.last_checkpoint = path

    def _is_saved(self, epoch: int) -> bool:
        name = f"{_PREFIX}{epoch:06d}"
        return self.last_checkpoint is not None and self.last_checkpoint.name == name

    def _others(self) -> list[Any]:
        return [callback for callback in self.companions if callback is not self]


def _read_state(path: Path) -> dict[str, Any]:
    """The state of a checkpoint whose weights are what was written."""
    try:
        state = read_json(path / _STATE)
        expected = state["weights_sha256"]
        received = sha256_of_file(path / _WEIGHTS)
    except (OSError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"A whole checkpoint was expected. Received: path={str(path)!r} ({error}). "
            "An older one is tried."
        ) from error
    if received != expected:
        raise CheckpointError(
            f"Weights with SHA-256 {expected} were expected. Received: "
            f"path={str(path)!r} with {received}: the file is damaged. An older one is "
            "tried."
        )
    return state


def _load(model: Any, path: Path, state: dict[str, Any]) -> None:
    others = differences(identity_of(model), state["model"])
    if others:
        raise CheckpointError(
            "A checkpoint of the same model was expected. Received: "
            f"path={str(path)!r}, which differs in {'; '.join(others)}. Choose another "
            "folder, remove this one, or make the model as it was."
        )
    try:
        model.load_weights(path / _WEIGHTS)
    except (ValueError, KeyError, OSError) as error:
        raise CheckpointError(
            "Weights of the same model and optimizers were expected. Received: "
            f"path={str(path)!r} ({error}). Choose another folder, remove this one, or "
            "compile the model as it was."
        ) from error


def _is_finite(model: Any) -> bool:
    return all(
        np.isfinite(keras.ops.convert_to_numpy(weight)).all()
        for weight in model.weights
        if "float" in weight.dtype
    )
