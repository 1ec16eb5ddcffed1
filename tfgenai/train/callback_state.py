"""The state of callbacks in a checkpoint: ours by method, Keras's own by attribute."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

# Keras resets these when training begins and has no way to save them.
_KERAS_ATTRIBUTES: tuple[tuple[type, tuple[str, ...]], ...] = (
    (
        keras.callbacks.EarlyStopping,
        ("wait", "stopped_epoch", "best", "best_epoch"),
    ),
    (keras.callbacks.ReduceLROnPlateau, ("wait", "best", "cooldown_counter")),
    (keras.callbacks.ModelCheckpoint, ("best",)),
)


def collect_states(callbacks: Sequence[Any], *, folder: Path) -> dict[str, Any]:
    """The state of each callback that has any, as JSON values.

    Args:
        callbacks: the callbacks of a run.
        folder: where arrays are written, such as the best weights of `EarlyStopping`.

    Returns:
        States by class name and number among those of the same class.
    """
    states = {}
    for key, callback in _numbered(callbacks):
        if hasattr(callback, "get_backup_state"):
            states[key] = callback.get_backup_state()
            continue
        names = _attributes_of(callback)
        if names:
            states[key] = {
                name: _plain(getattr(callback, name))
                for name in names
                if hasattr(callback, name)
            }
        weights = getattr(callback, "best_weights", None)
        if names and weights is not None:
            np.savez(folder / f"{key}.npz", *weights)
    return states


def hand_out_states(
    callbacks: Sequence[Any], states: dict[str, Any], *, folder: Path | None
) -> None:
    """Gives the states back; callbacks that are new keep what they have.

    Args:
        callbacks: the callbacks of the run that goes on.
        states: what `collect_states` returned.
        folder: where its arrays are.
    """
    for key, callback in _numbered(callbacks):
        if key not in states:
            continue
        if hasattr(callback, "set_backup_state"):
            callback.set_backup_state(states[key])
            continue
        for name in _attributes_of(callback):
            if name in states[key]:
                setattr(callback, name, states[key][name])
        file = None if folder is None else folder / f"{key}.npz"
        if file is not None and file.exists():
            with np.load(file, allow_pickle=False) as arrays:
                callback.best_weights = [arrays[f"arr_{i}"] for i in range(len(arrays))]


def _numbered(callbacks: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    seen: Counter[str] = Counter()
    for callback in callbacks:
        name = type(callback).__name__
        yield f"{name}-{seen[name]}", callback
        seen[name] += 1


def _attributes_of(callback: Any) -> tuple[str, ...]:
    for kind, names in _KERAS_ATTRIBUTES:
        if isinstance(callback, kind):
            return names
    return ()


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
