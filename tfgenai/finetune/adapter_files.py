"""Adapters as files of their own, which know the model that they were trained on."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import safetensors
import safetensors.numpy

import tfgenai
from tfgenai.core.errors import CheckpointError
from tfgenai.core.storage import PathLike, write_bytes
from tfgenai.finetune.lora import (
    adapted_layers,
    adapter_names,
    add_adapter,
    refuse_merged,
    require_known,
    use_adapter,
)
from tfgenai.layers.adapters import (
    Options,
    adapters_of,
    options_from_dict,
    part_shapes,
)
from tfgenai.layers.layer_tree import named_layers, weights_made_to_train

_FORMAT = "tfgenai adapter 1"
_SHOWN = 12


def base_hash(model: keras.Model) -> str:
    """SHA-256 of the weights that a model was made to train, without adapters.

    Of averaged weights, the averages count; of merged ones, those that are kept.
    Names do not, because Keras counts them up within a process.
    """
    weights = weights_made_to_train(model)
    stands_for = {id(weight): weight for weight in weights}
    if hasattr(model, "ema"):
        stands_for |= {id(v): average for v, average in model.ema.pairs}
    stands_for |= {
        id(variable): kept
        for layer, found in adapted_layers(model)
        for variable, kept in found.kept_pairs(layer)
    }
    digest = hashlib.sha256()
    for weight in weights:
        array = stands_for[id(weight)].numpy().astype(weight.dtype)
        digest.update(f"{array.dtype}|{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def save_adapter(model: keras.Model, path: PathLike, *, name: str = "default") -> Path:
    """Writes one adapter, without its base, as a safetensors file.

    Args:
        model: a model with adapters.
        path: file to write; it appears whole or not at all.
        name: which adapter.

    Returns:
        The file.

    Raises:
        ValueError: if there is no such adapter.
        StorageError: if the folder cannot be written to.

    Example:
        ```python
        tg.finetune.apply_lora(model, rank=8, targets=("query", "value"))
        ...
        tg.finetune.save_adapter(model, "formal.safetensors")
        ```
    """
    require_known(name, adapter_names(model))
    tensors, layers, options = {}, {}, None
    for number, (layer_path, layer) in enumerate(named_layers(model)):
        found = adapters_of(layer)
        if found is None or name not in found.options:
            continue
        options = found.options[name]
        layers[str(number)] = layer_path
        for part, variable in found.parts(name).items():
            tensors[f"{number}/{part}"] = variable.numpy()
    description = {
        "format": _FORMAT,
        "options": options.to_dict() if options else {},
        "layers": layers,
        "base_sha256": base_hash(model),
        "tfgenai_version": tfgenai.__version__,
    }
    data = safetensors.numpy.save(tensors, {"adapter": json.dumps(description)})
    return write_bytes(path, data)


def load_adapter(model: keras.Model, path: PathLike, *, name: str | None = None) -> str:
    """Adds the adapter of a file to the model that it was trained on; it alone acts.

    Args:
        model: the base, whether it has other adapters or not.
        path: what `save_adapter` wrote.
        name: what to call it; None for its own name.

    Returns:
        Its name.

    Raises:
        CheckpointError: if the file is missing, damaged, or of another base.
        ValueError: if the model has an adapter of that name, or a merged one.

    Example:
        ```python
        tg.finetune.load_adapter(model, "formal.safetensors")
        model.generate(["Dear"], seed=1)
        ```
    """
    refuse_merged(model)
    description, tensors = _read(path)
    options = options_from_dict(
        {**description["options"], **({} if name is None else {"name": name})}
    )
    if options.name in adapter_names(model):
        raise ValueError(
            f"A new name was expected. Received: name={options.name!r}, which the "
            "model has. Give another as name."
        )
    own = base_hash(model)
    if description["base_sha256"] != own:
        raise CheckpointError(
            "An adapter of this model was expected. Received: "
            f"path={os.fspath(path)!r}, trained on weights with SHA-256 "
            f"{description['base_sha256'][:12]}..., the model's are {own[:12]}... "
            "Load the model that it was trained on."
        )
    layers = _layers(model, description, tensors, options, path)
    add_adapter(model, list(layers.values()), options, seed=0)
    for number, layer in layers.items():
        for part, variable in layer.adapters.parts(options.name).items():
            variable.assign(tensors[f"{number}/{part}"])
    use_adapter(model, options.name)
    return options.name


def _layers(
    model: Any,
    description: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    options: Options,
    path: PathLike,
) -> dict[str, Any]:
    """The layers that the adapter goes on, by number, checked against its tensors."""
    every = [layer for _, layer in named_layers(model)]
    layers = {}
    for number in description["layers"]:
        layer = every[int(number)] if int(number) < len(every) else None
        shapes = None if layer is None else part_shapes(layer, options)
        found = {
            part: tensors[key].shape
            for part in options.parts
            if (key := f"{number}/{part}") in tensors
        }
        if shapes != found:
            raise CheckpointError(
                f"Tensors of shapes {shapes} were expected for layer {number}. "
                f"Received: path={os.fspath(path)!r} with {found}. Restore the file."
            )
        layers[number] = layer
    return layers


def _read(path: PathLike) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            description = json.loads((file.metadata() or {})["adapter"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if description["format"] != _FORMAT or not description["layers"]:
            raise ValueError(f"format {description['format']!r}")
        options_from_dict(description["options"])
        [int(number) for number in description["layers"]]
        str(description["base_sha256"])
    except (
        OSError,
        KeyError,
        TypeError,
        ValueError,
        safetensors.SafetensorError,
    ) as error:
        raise CheckpointError(
            "A file that save_adapter wrote was expected. Received: "
            f"path={os.fspath(path)!r} ({type(error).__name__}: {error}). Restore it "
            "or save the adapter again."
        ) from error
    return description, tensors
