"""IA3: the outputs or the inputs of a linear layer are multiplied by a vector."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from typing import Any

import tensorflow as tf

from tfgenai.layers.adapters.change import Change
from tfgenai.layers.adapters.kind import Kind, Shape
from tfgenai.layers.adapters.kinds import DenseKind
from tfgenai.layers.adapters.options import IA3Options
from tfgenai.layers.adapters.stacks import Row


class Scaling(Change):
    """l ⊙ (x W + b), or (l ⊙ x) W + b where the layer's inputs are scaled.

    Liu et al. 2022, arXiv:2205.05638, section 3.3, where the first is l_k ⊙ K and
    l_v ⊙ V, and the second (l_ff ⊙ γ(x W₁)) W₂. Either is another kernel and bias:
    W diag(l) and l ⊙ b, or diag(l) W. What is added is the difference, so that weights
    of adapters weigh l - 1.
    """

    @staticmethod
    def shapes(kind: Kind, layer: Any, options: IA3Options) -> dict[str, Shape] | None:
        """One number for each output, or input, of a dense layer."""
        if not isinstance(kind, DenseKind):
            return None
        inputs, outputs = layer.kernel.shape
        return {"gain": (inputs if layer.name in options.scaled_inputs else outputs,)}

    @staticmethod
    def initializers(
        kind: Kind, layer: Any, options: IA3Options, seed: int, base: tf.Tensor
    ) -> dict[str, Any]:
        """Ones."""
        return {"gain": "ones"}

    @property
    def scales_inputs(self) -> bool:
        """Whether the layer's inputs are multiplied, not its outputs."""
        return self.layer.name in self.options.scaled_inputs

    def change(self) -> tf.Tensor:
        """L - 1, float32 `(inputs,)` or `(outputs,)`."""
        return self.parts["gain"].value - 1.0

    def delta(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """((l - 1) ⊙ x) W, or (l - 1) ⊙ (y + b)."""
        change = tf.cast(self.change(), y.dtype)
        if self.scales_inputs:
            return self.kind.linear(self.layer, tf.cast(x, y.dtype) * change)
        if self.layer.use_bias:
            y += tf.cast(tf.convert_to_tensor(self.layer.bias), y.dtype)
        return y * change

    def kernel_delta(self) -> tf.Tensor:
        """W's rows or columns times l - 1."""
        change = self.change()
        return self.base() * (change[:, tf.newaxis] if self.scales_inputs else change)

    def bias_delta(self) -> tf.Tensor | None:
        """The bias times l - 1, where outputs are scaled."""
        if self.scales_inputs or not self.layer.use_bias:
            return None
        return tf.cast(self.layer.bias.value, tf.float32) * self.change()

    def row(self) -> Row:
        """The vector, and what it makes of the bias."""
        gain = self.parts["gain"].value
        if self.scales_inputs:
            return Row(input_gain=gain)
        return Row(gain=gain, offset=self.bias_delta())
