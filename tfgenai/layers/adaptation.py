"""What was done to a model after it was made: adapters and frozen variables."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfgenai.layers.adapters import AdapterOptions, adapters_of, attach
from tfgenai.layers.layer_tree import base_variables, named_layers


@keras.saving.register_keras_serializable("tfgenai")
class Adaptation:
    """The adapters and frozen variables of a model, which its files carry along.

    A model holds one as `model.adaptation`; it is described when it is saved, and done
    again when it is loaded, before the weights are read.

    Args:
        model: the model that it is of; None for one that is read from a file.
        description: what `get_config` returned.
    """

    def __init__(
        self, model: Any = None, description: Mapping[str, Any] | None = None
    ) -> None:
        self._model = None if model is None else weakref.ref(model)
        self._description = description

    def apply(self, model: Any) -> None:
        """Does the same to a model that was made alike."""
        description = self._description or {}
        layers = [layer for _, layer in named_layers(model)]
        for number, entry in description["layers"].items():
            layer = layers[int(number)]
            found = attach(layer)
            for options in entry["adapters"]:
                found.add(layer, AdapterOptions.from_dict(options), seed=0)
            found.active = dict(entry["active"])
            if entry["is_merged"]:
                found.keep_base(layer)
        freeze_variables(model, description["frozen"])
        model.adaptation = Adaptation(model)

    def get_config(self) -> dict[str, Any]:
        """Adapters by the number of their layer, and numbers of frozen variables."""
        model = self._model() if self._model is not None else None
        if model is None:
            return {"description": self._description}
        layers = {}
        for number, (_, layer) in enumerate(named_layers(model)):
            found = adapters_of(layer)
            if found is not None and found.options:
                layers[str(number)] = {
                    "adapters": [each.to_dict() for each in found.options.values()],
                    "active": dict(found.active),
                    "is_merged": found.is_merged,
                }
        frozen = [
            number
            for number, (_, variable) in enumerate(base_variables(model))
            if not variable.trainable and variable_was_made_to_train(variable)
        ]
        return {"description": {"layers": layers, "frozen": frozen}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Adaptation":
        """Makes one from `get_config()`."""
        return cls(**config)


def freeze_variables(model: Any, numbers: Sequence[int]) -> None:
    """Freezes variables by their numbers in `base_variables`.

    Batch normalisation whose scale and offset are frozen keeps its statistics, too.
    """
    chosen = set(numbers)
    for number, (_, variable) in enumerate(base_variables(model)):
        if number in chosen:
            variable.trainable = False
    settle_batch_norm(model)


def settle_batch_norm(model: Any) -> None:
    """Lets the statistics of batch normalisation move only where its weights do."""
    for _, layer in named_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            own = [v for v in (layer.gamma, layer.beta) if v is not None]
            # The layer's own flag sets those of its variables, which are right already.
            layer._trainable = not own or any(v.trainable for v in own)


def variable_was_made_to_train(variable: keras.Variable) -> bool:
    """Whether a variable that is frozen now was made as a trainable one.

    TensorFlow's own flag is set once, when a variable is made.
    """
    return bool(variable.value.trainable)
