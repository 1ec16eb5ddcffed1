"""Presets: a folder of config.json, weights and assets that makes a model again."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

import tfgenai
from tfgenai.core.errors import CheckpointError, StorageError
from tfgenai.core.model import GenerativeModel
from tfgenai.core.storage import (
    atomic_folder,
    read_json,
    safe_join,
    sha256_of_file,
    write_bytes,
    write_json,
)

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.weights.h5"
ASSETS_FOLDER = "assets"


def save_to_preset(
    model: GenerativeModel,
    path: str | os.PathLike[str],
    *,
    assets: Mapping[str, bytes] | None = None,
    replace: bool = False,
) -> Path:
    """Writes a model's config and weights, without optimizers, to a new folder.

    Args:
        model: the model; its averaged weights are written as its weights.
        path: folder to make; it appears complete or not at all.
        assets: further files by name, such as a tokenizer's vocabulary.
        replace: whether an existing folder gives way.

    Returns:
        The folder.

    Raises:
        StorageError: if the folder exists or cannot be written to.
    """
    with atomic_folder(path, replace=replace) as folder:
        with model.ema.applied():
            model.save_weights(folder / WEIGHTS_FILE)
        for name, data in (assets or {}).items():
            write_bytes(safe_join(folder / ASSETS_FOLDER, name), data)
        write_json(
            folder / CONFIG_FILE,
            {
                "model": keras.saving.serialize_keras_object(model),
                "weights_sha256": sha256_of_file(folder / WEIGHTS_FILE),
                "tfgenai_version": tfgenai.__version__,
                "keras_version": keras.__version__,
            },
        )
    return Path(path)


def from_preset(path: str | os.PathLike[str]) -> GenerativeModel:
    """Makes the model that `save_to_preset` wrote; it is not compiled.

    Args:
        path: the preset's folder.

    Returns:
        The model.

    Raises:
        CheckpointError: if a file is missing, changed, or of another kind of model.
    """
    folder = Path(path)
    try:
        config: dict[str, Any] = read_json(folder / CONFIG_FILE)
        found = sha256_of_file(folder / WEIGHTS_FILE)
    except (StorageError, OSError) as error:
        raise CheckpointError(
            f"A preset folder with {CONFIG_FILE} and {WEIGHTS_FILE} was expected. "
            f"Received: path={str(folder)!r} ({error}). Save it again."
        ) from error
    if found != config.get("weights_sha256"):
        raise CheckpointError(
            f"Weights with SHA-256 {config.get('weights_sha256')} were expected. "
            f"Received: {str(folder / WEIGHTS_FILE)!r} with {found}. Restore the file."
        )
    description = config["model"]
    description.pop("compile_config", None)  # a preset carries no optimizers
    model = keras.saving.deserialize_keras_object(description)
    if not isinstance(model, GenerativeModel):
        raise CheckpointError(
            f"A model of tfgenai was expected. Received: path={str(folder)!r}, a "
            f"{type(model).__name__}."
        )
    model.load_weights(folder / WEIGHTS_FILE)
    return model
