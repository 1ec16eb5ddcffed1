"""New classes for a trained model: rows of its label embedding, which alone train."""

from typing import Any

import keras
import numpy as np

from tfgenai.core.copies import copy_of
from tfgenai.core.generation import require_positive
from tfgenai.core.kept_rows import KeepOldRows
from tfgenai.diffusion.diffusion import DiffusionModel
from tfgenai.finetune.freeze import freeze, unfreeze
from tfgenai.finetune.lora import adapter_names
from tfgenai.gan.game import flat_layers
from tfgenai.gan.gan import GAN
from tfgenai.layers.layer_tree import base_variables


def add_classes(model: Any, num_new: int = 1, *, init: str | int = "mean") -> Any:
    """A model with more classes, of which only the new ones' embeddings train.

    What new pictures show becomes one vector, which the network is given in the place
    of a label's: Gal et al. 2022, "An Image is Worth One Word: Personalizing
    Text-to-Image Generation using Textual Inversion", arXiv:2208.01618, equation 2,
    with the model's own loss. All other weights are frozen. The rows of the old classes
    are put back after every step of the optimizer, weight decay included, so that those
    classes stay as they are, bit for bit. To train more, such as an adapter, go on with
    `apply_lora` and `unfreeze(model, "label_embedding")`; the old rows stay even then.

    What comes back is a model like any other, of `num_classes + num_new`. Its file says
    what is frozen and which rows are put back: a model that is loaded trains on alike.

    Args:
        model: a `DiffusionModel` or a `GAN` with `num_classes`, without adapters; it
            stays as it is. Where it has averaged weights, the new model starts from
            those. The networks of a GAN are functional and hold a
            `keras.layers.Embedding` of the labels; new rows of both train. The norm by
            which a spectrally normalised embedding is divided counts the new rows, too.
        num_new: classes to add; their labels go on where the old ones end.
        init: what new rows start from: `"mean"` of the old rows, or one of the old
            classes, the nearest in kind.

    Returns:
        A new model of the same kind at step 0, not compiled.

    Raises:
        TypeError: if the model is of another kind.
        ValueError: if the model has no classes or has adapters, `init` is none of its
            classes, or `num_new` is not positive.

    Example:
        >>> more = add_classes(DiffusionModel(data_shape=(2,), num_classes=9))
        >>> more.num_classes, [tuple(v.shape) for v in more.trainable_variables]
        (10, [(11, 128)])
    """
    require_positive("num_new", num_new)
    if not isinstance(model, (DiffusionModel, GAN)):
        raise TypeError(
            "A DiffusionModel or a GAN was expected. Received: model of type "
            f"{type(model).__name__}."
        )
    if adapter_names(model):
        raise ValueError(
            "A model without adapters was expected. Received: model with the adapters "
            f"{adapter_names(model)}. Add classes first, and adapters to the result."
        )
    num_old = _require_classes(model, init)
    config = model.get_config() | {"num_classes": num_old + num_new}
    if isinstance(model, GAN):
        # Made by its name, a network would have an embedding of another width.
        config |= {
            "generator": _with_more_rows(model.generator, num_old, num_new),
            "discriminator": _with_more_rows(model.discriminator, num_old, num_new),
            "dropout": 0.0,  # the discriminator brings its own
        }
    grown = type(model).from_config(config)
    _copy_weights(copy_of(model), grown, num_old, num_new, init)
    tables = _label_tables(grown, num_old + num_new)
    freeze(grown, "*", verbose=False)
    paths = [
        path
        for path, variable in base_variables(grown)
        if any(variable is table for table in tables)
    ]
    unfreeze(grown, *paths, verbose=False)
    for table in tables:
        table.constraint = KeepOldRows(num_old, num_new)
    return grown


def _require_classes(model: Any, init: str | int) -> int:
    number = model.num_classes
    if number is None:
        raise ValueError(
            "A model with classes was expected. Received: model with num_classes=None. "
            "Train one with labels."
        )
    is_class = isinstance(init, int) and not isinstance(init, bool)
    if init != "mean" and not (is_class and 0 <= int(init) < number):
        raise ValueError(
            f"'mean' or a class from 0 to {number - 1} was expected. Received: "
            f"init={init!r}."
        )
    return int(number)


def _with_more_rows(network: Any, num_old: int, num_new: int) -> keras.Model:
    """The functional network with `num_new` further rows in its label embedding."""

    def grow(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if isinstance(layer, keras.layers.Embedding) and layer.input_dim == num_old:
            config["input_dim"] += num_new
        return type(layer).from_config(config)

    if not (getattr(network, "inputs", None) and _embeddings(network, num_old)):
        raise ValueError(
            "Functional networks with a keras.layers.Embedding of the "
            f"{num_old} labels were expected. Received: {network.name} of type "
            f"{type(network).__name__}. Build it with keras.Model(inputs, outputs)."
        )
    return keras.models.clone_model(network, clone_function=grow)


def _embeddings(network: Any, num_classes: int) -> list[keras.layers.Embedding]:
    return [
        layer
        for layer in flat_layers(network)
        if isinstance(layer, keras.layers.Embedding) and layer.input_dim == num_classes
    ]


def _label_tables(model: Any, num_classes: int) -> list[keras.Variable]:
    if not isinstance(model, GAN):
        return [model.embedding.label_embedding]
    networks = (model.generator, model.discriminator)
    return [
        layer._embeddings for net in networks for layer in _embeddings(net, num_classes)
    ]


def _copy_weights(
    source: Any, grown: Any, num_old: int, num_new: int, init: str | int
) -> None:
    """Copies all weights; new rows come behind the old ones and start as `init`."""
    shadows = {id(shadow) for _, shadow in grown.ema.pairs}
    targets = [w for w in grown.weights if id(w) not in shadows]
    for old, new in zip(source.weights, targets, strict=True):
        value = old.numpy()
        if old.shape != new.shape:
            classes = value[:num_old]
            row = classes.mean(axis=0) if init == "mean" else classes[init]
            value = np.insert(value, num_old, np.tile(row, (num_new, 1)), axis=0)
        new.assign(value)
    grown.step.assign(0)
    for weight, shadow in grown.ema.pairs:
        shadow.assign(weight)
