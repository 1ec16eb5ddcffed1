"""Imports every family once, so that `.keras` files load; home of `load_model`."""

import contextlib
import os
import zipfile
from pathlib import Path
from typing import Any

import keras

import tfgenai.autoregressive
import tfgenai.diffusion
import tfgenai.gan
import tfgenai.gpt
import tfgenai.vae  # noqa: F401
from tfgenai.core.errors import CheckpointError
from tfgenai.core.model import GenerativeModel


def load_model(
    path: str | os.PathLike[str], *, compile: bool = True
) -> GenerativeModel:
    """Loads a model saved by `model.save`: weights, averages, optimizers and step.

    Args:
        path: a `.keras` file.
        compile: whether optimizers and their state are restored.

    Returns:
        The model.

    Raises:
        CheckpointError: if the file is missing, damaged, or of another kind.
    """
    if not Path(path).is_file():
        raise CheckpointError(
            f"A .keras file was expected. Received: path={os.fspath(path)!r}, which is "
            "not a file. Check the path, or save a model with model.save(path)."
        )
    _import_what_it_needs(path)
    try:
        # safe_mode refuses files that carry code
        model: Any = keras.saving.load_model(path, compile=compile, safe_mode=True)
    except Exception as error:
        raise CheckpointError(
            f"A complete .keras file was expected. Received: path={os.fspath(path)!r} "
            f"({type(error).__name__}: {error}). Restore it or train again."
        ) from error
    if not isinstance(model, GenerativeModel):
        raise CheckpointError(
            f"A model of tfgenai was expected. Received: path={os.fspath(path)!r}, "
            f"a {type(model).__name__}. Load it with keras.saving.load_model."
        )
    return model


def _import_what_it_needs(path: str | os.PathLike[str]) -> None:
    """Registers the classes of adapted models, which few files hold."""
    with contextlib.suppress(OSError, KeyError, zipfile.BadZipFile):
        with zipfile.ZipFile(path) as archive:
            config = archive.read("config.json")
        if b'"tfgenai.finetune.' in config:
            import tfgenai.finetune.saved
        if b'"tfgenai.layers.adaptation"' in config:
            import tfgenai.layers.adaptation  # noqa: F401
