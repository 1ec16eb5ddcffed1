"""The adapters of one layer: their weights, which of them act, and what they add."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import abc
from collections.abc import Sequence
from typing import Any

import keras

from tfgenai.core.errors import ConfigError
from tfgenai.layers.adapters.kind import Shape
from tfgenai.layers.adapters.options import Options
from tfgenai.layers.adapters.rows import current_rows


class LayerAdapters(keras.layers.Layer, abc.ABC):
    """The adapters of one layer, by name.

    It stands in the layer as `layer.adapters`; `attach` puts it there. Its weights are
    kept in float32.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.options: dict[str, Any] = {}
        self.active: dict[str, float] = {}
        self.is_merged = False
        self.stacks: Any = None
        self.built = True

    # ---- weights -------------------------------------------------------------

    @staticmethod
    @abc.abstractmethod
    def shapes(layer: Any, options: Options) -> dict[str, Shape] | None:
        """Shapes of an adapter's weights by part; None where the layer takes none.

        Args:
            layer: a built layer.
            options: the adapter's.
        """

    @abc.abstractmethod
    def initializers(self, layer: Any, options: Options, seed: int) -> dict[str, Any]:
        """What an adapter's weights begin with by part, so that nothing changes yet.

        Args:
            layer: the layer that this stands in.
            options: the adapter's.
            seed: seed of what begins at random.
        """

    def add(self, layer: Any, options: Options, seed: int) -> None:
        """Makes the weights of a new adapter, which adds nothing yet.

        Args:
            layer: the layer that this stands in.
            options: its name and numbers.
            seed: seed of its weights.

        Raises:
            ConfigError: if the layer takes none of its method.
        """
        shapes = self.shapes(layer, options)
        if shapes is None:
            raise ConfigError(
                "A layer that takes the adapter was expected. Received: "
                f"{layer.name!r}, a {type(layer).__name__}, for {options!r}. See "
                "apply_lora, apply_ia3 and apply_prefix."
            )
        initializers = self.initializers(layer, options, seed)
        for part, shape in shapes.items():
            variable = self.new_weight(
                f"{options.name}_{part}",
                shape=shape,
                initializer=initializers[part],
                dtype="float32",
                autocast=False,
            )
            setattr(self, _attribute(options.name, part), variable)
        self.options[options.name] = options

    def new_weight(self, name: str, **options: Any) -> keras.Variable:
        """`add_weight`, which Keras allows only before a layer is built."""
        self._tracker.unlock()
        variable = self.add_weight(name=name, **options)
        self._tracker.lock()
        return variable

    def parts(self, name: str) -> dict[str, keras.Variable]:
        """The weights of an adapter by part."""
        return {
            part: getattr(self, _attribute(name, part))
            for part in self.options[name].parts
        }

    def remove(self, name: str) -> None:
        """Takes an adapter and its weights away."""
        for part, variable in self.parts(name).items():
            delattr(self, _attribute(name, part))
            self.untrack(variable)
        del self.options[name]
        self.active.pop(name, None)

    def untrack(self, variable: keras.Variable) -> None:
        """Forgets a weight."""
        if any(variable is each for each in self.weights):
            self._untrack_variable(variable)

    # ---- what acts -----------------------------------------------------------

    @property
    def acts(self) -> bool:
        """Whether anything is added where the graph is made now."""
        asks = current_rows() is not None and self.stacks is not None
        return asks or (bool(self.active) and not self.is_merged)

    @property
    def can_merge(self) -> bool:
        """Whether what is active can be written into the layer's own weights."""
        return False

    def kept_pairs(self, layer: Any) -> list[tuple[keras.Variable, keras.Variable]]:
        """While merged, the layer's own weights that hold adapters, and the base's."""
        return []

    @abc.abstractmethod
    def stack(self, layer: Any, names: Sequence[str]) -> None:
        """Puts adapters beside each other, so that each row can choose one.

        What is trained later does not change them.

        Args:
            layer: the layer that this stands in.
            names: adapters 1, 2, ...; those that the layer has not, add nothing.

        Raises:
            ValueError: if the rows of its outputs cannot be told apart.
        """

    def get_config(self) -> dict[str, Any]:
        """Nothing: adapters are made by whoever loads the model."""
        return super().get_config()


def adapters_of(layer: Any) -> LayerAdapters | None:
    """The adapters of a layer; None where there are none."""
    found = getattr(layer, "adapters", None)
    return found if isinstance(found, LayerAdapters) else None


def _attribute(name: str, part: str) -> str:
    return f"{part}_of_{name}"
