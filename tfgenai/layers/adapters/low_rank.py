"""LoRA and DoRA: a product of two thin matrices is added to a kernel."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from typing import Any

import keras
import tensorflow as tf

from tfgenai.layers.adapters.change import Change
from tfgenai.layers.adapters.kind import Kind, Shape
from tfgenai.layers.adapters.options import AdapterOptions
from tfgenai.layers.adapters.stacks import Row


class LowRank(Change):
    """W + scale · A B, with DoRA m (W + scale · A B) / ‖W + scale · A B‖.

    See `AdapterOptions`.
    """

    @staticmethod
    def shapes(
        kind: Kind, layer: Any, options: AdapterOptions
    ) -> dict[str, Shape] | None:
        """Those of A, B and the lengths."""
        a, b = kind.shapes(layer, options.rank)
        shapes = {"a": a, "b": b, "magnitude": kind.output_shape(layer)}
        return {part: shapes[part] for part in options.parts}

    @staticmethod
    def initializers(
        kind: Kind, layer: Any, options: AdapterOptions, seed: int, base: tf.Tensor
    ) -> dict[str, Any]:
        """A at random, B of zeros, and the lengths that the kernel has."""
        # The authors' code: uniform within 1 / √fan-in.
        bound = kind.fan_in(layer) ** -0.5
        initializers: dict[str, Any] = {
            "a": keras.initializers.RandomUniform(-bound, bound, seed=seed),
            "b": "zeros",
        }
        if options.use_dora:
            lengths = tf.sqrt(kind.squares(layer, base))
            initializers["magnitude"] = lambda shape, dtype=None: lengths
        return initializers

    def delta(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """B after the layer's operation with A."""
        kind, layer = self.kind, self.layer
        h = kind.down(layer, x, self.parts["a"].value)
        delta = kind.up(layer, h, self._scaled_b())
        if not self.options.use_dora:
            return delta
        gain = tf.cast(self._gain(), y.dtype)
        return kind.gained(layer, y + delta, gain) - y

    def kernel_delta(self) -> tf.Tensor:
        """Scale · A B; of DoRA, the new kernel less the old one."""
        delta = self._product()
        if not self.options.use_dora:
            return delta
        base = self.base()
        return self.kind.scaled_kernel(self.layer, base + delta, self._gain()) - base

    def row(self) -> Row:
        """A, B and DoRA's gain."""
        gain = self._gain() if self.options.use_dora else None
        a, rank = self.parts["a"].value, self.options.rank
        return Row(a=a, b=self._scaled_b(), gain=gain, rank=rank)

    def _scaled_b(self) -> tf.Tensor:
        return self.parts["b"].value * self.options.scale

    def _product(self) -> tf.Tensor:
        a, b = self.parts["a"].value, self.parts["b"].value
        return self.options.scale * self.kind.product(self.layer, a, b)

    def _gain(self) -> tf.Tensor:
        """M / ‖W + ΔW‖, without a gradient of the lengths: DoRA, section 4.3."""
        whole = self.base() + self._product()
        lengths = tf.stop_gradient(tf.sqrt(self.kind.squares(self.layer, whole)))
        return tf.math.divide_no_nan(self.parts["magnitude"].value, lengths)
