"""What was done to a model after it was made: adapters, frozen variables and rows."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import keras

from tfgenai.core.kept_rows import KeepOldRows
from tfgenai.layers.adapters import adapters_of, attach, options_from_dict
from tfgenai.layers.layer_tree import base_variables, named_layers


@keras.saving.register_keras_serializable("tfgenai")
class Adaptation:
    """Adapters, frozen variables and kept rows of a model, which its files carry along.

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
        self.frozen: list[keras.Variable] = []

    @classmethod
    def of(cls, model: Any) -> "Adaptation":
        """The adaptation of a model; made if nothing was done to it yet."""
        if getattr(model, "adaptation", None) is None:
            model.adaptation = cls(model)
        adaptation: Adaptation = model.adaptation
        return adaptation

    def freeze(self, variables: Iterable[keras.Variable]) -> None:
        """Freezes those that train, each at its average where there is one.

        Batch normalisation whose weights are frozen keeps its statistics, too.
        """
        model = self._owner()
        chosen = [variable for variable in variables if variable.trainable]
        if hasattr(model, "ema"):
            model.ema.settle(chosen)
        for variable in chosen:
            variable.trainable = False
        self.frozen += chosen
        _settle_batch_norm(model)

    def unfreeze(self, variables: Iterable[keras.Variable]) -> None:
        """Lets those train that were frozen by `freeze`, in models inside as well."""
        variables = list(variables)
        asked = {id(variable) for variable in variables}
        chosen = [variable for variable in self.frozen if id(variable) in asked]
        for variable in chosen:
            variable.trainable = True
        self.frozen = [each for each in self.frozen if id(each) not in asked]
        for _, layer in named_layers(self._owner()):
            if isinstance(inner := getattr(layer, "adaptation", None), Adaptation):
                inner.unfreeze(variables)
        _settle_batch_norm(self._owner())

    def freeze_adapters(self) -> None:
        """Freezes the weights of all adapters; those that act go on acting."""
        for _, layer in named_layers(self._owner()):
            found = adapters_of(layer)
            for variable in [] if found is None else found.trainable_variables:
                variable.trainable = False

    def apply(self, model: Any) -> None:
        """Does the same to a model that was made alike."""
        description = self._description or {"layers": {}, "frozen": []}
        layers = [layer for _, layer in named_layers(model)]
        for number, entry in description["layers"].items():
            layer = layers[int(number)]
            found = attach(layer)
            for options in entry["adapters"]:
                found.add(layer, options_from_dict(options), seed=0)
            for name in found.options:
                for variable in found.parts(name).values():
                    # Files of earlier versions do not say which train.
                    variable.trainable = name in entry.get("trains", entry["active"])
            found.active = dict(entry["active"])
            if entry["is_merged"]:
                found.keep_base(layer)
        variables = base_variables(model)
        for number, rows in description.get("kept_rows", {}).items():
            variables[int(number)][1].constraint = KeepOldRows(**rows)
        Adaptation.of(model).freeze(variables[i][1] for i in description["frozen"])

    def get_config(self) -> dict[str, Any]:
        """Adapters by the number of their layer, variables by theirs."""
        if self._model is None:
            return {"description": self._description}
        model = self._owner()
        layers = {}
        for number, (_, layer) in enumerate(named_layers(model)):
            found = adapters_of(layer)
            if found is not None and found.options:
                layers[str(number)] = {
                    "adapters": [each.to_dict() for each in found.options.values()],
                    "active": dict(found.active),
                    "trains": [
                        name
                        for name in found.options
                        if any(each.trainable for each in found.parts(name).values())
                    ],
                    "is_merged": found.is_merged,
                }
        frozen = {id(variable) for variable in self.frozen}
        numbers, kept = [], {}
        for number, (_, variable) in enumerate(base_variables(model)):
            if id(variable) in frozen:
                numbers.append(number)
            if isinstance(variable.constraint, KeepOldRows):
                kept[str(number)] = variable.constraint.get_config()
        return {"description": {"layers": layers, "frozen": numbers, "kept_rows": kept}}

    def _owner(self) -> Any:
        return None if self._model is None else self._model()

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Adaptation":
        """Makes one from `get_config()`."""
        return cls(**config)


def _settle_batch_norm(model: Any) -> None:
    """Lets the statistics of batch normalisation move only where its weights do."""
    for _, layer in named_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            own = [v for v in (layer.gamma, layer.beta) if v is not None]
            # The layer's own flag sets those of its variables, which are right already.
            layer._trainable = not own or any(v.trainable for v in own)
