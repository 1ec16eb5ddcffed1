"""What one adapter changes in one linear layer: its outputs, its kernel, its bias."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from tfgenai.layers.adapters.kind import Kind, Shape
from tfgenai.layers.adapters.stacks import Row


@dataclasses.dataclass(frozen=True)
class Change(abc.ABC):
    """One adapter in one layer, with all that its equations speak of.

    Args:
        kind: how the layer depends on its kernel.
        layer: the layer.
        options: the adapter's.
        parts: its weights in this layer.
        base: makes the kernel without any adapter, float32.
    """

    kind: Kind
    layer: Any
    options: Any
    parts: Mapping[str, keras.Variable]
    base: Callable[[], tf.Tensor]

    @staticmethod
    @abc.abstractmethod
    def shapes(kind: Kind, layer: Any, options: Any) -> dict[str, Shape] | None:
        """Shapes of its weights by part; None where the layer takes none."""

    @staticmethod
    @abc.abstractmethod
    def initializers(
        kind: Kind, layer: Any, options: Any, seed: int, base: tf.Tensor
    ) -> dict[str, Any]:
        """What its weights begin with, so that nothing changes yet."""

    @abc.abstractmethod
    def delta(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """What is added to the linear part.

        Args:
            x: what the layer was called with.
            y: its own linear part, before bias and activation.
        """

    @abc.abstractmethod
    def kernel_delta(self) -> tf.Tensor:
        """What is added to the kernel to the same effect, float32."""

    def bias_delta(self) -> tf.Tensor | None:
        """What is added to the bias to the same effect, float32; None for nothing."""
        return None

    @abc.abstractmethod
    def row(self) -> Row:
        """What rows that ask for it are given; see `Stacks`."""
