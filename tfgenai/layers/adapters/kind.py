"""How a kind of layer depends on its kernel, so that a low-rank one can be added.

All are linear in the kernel K. With K = A B, where A has `rank` outputs and B maps each
of these vectors on, the layer's linear part is B after the same operation with A.
"""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import abc
import math
from typing import Any

import keras
import tensorflow as tf

from tfgenai.layers.shapes import reshape, sizes

Shape = tuple[int, ...]


class Kind(abc.ABC):
    """The linear part of one kind of layer; this base holds what most have in common.

    `down` is the layer's operation with A, `up` the product with B; both take what the
    layer was called with and know nothing of bias and activation.
    """

    def kernel(self, layer: Any) -> keras.Variable:
        """The variable that an adapter adds to."""
        return layer.kernel

    def shapes(self, layer: Any, rank: int) -> tuple[Shape, Shape]:
        """Shapes of A and B; here the kernel's last axis is the output."""
        shape = tuple(self.kernel(layer).shape)
        return (*shape[:-1], rank), (rank, shape[-1])

    def fan_in(self, layer: Any) -> int:
        """How many numbers each of A's outputs is a sum of."""
        return math.prod(self.shapes(layer, 1)[0])

    def output_shape(self, layer: Any) -> Shape:
        """The kernel's output axes, of which DoRA has a magnitude each."""
        return self.shapes(layer, 1)[1][1:]

    def product(self, layer: Any, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """A B, shaped like the kernel."""
        return tf.tensordot(a, b, 1)

    def squares(self, layer: Any, kernel: tf.Tensor) -> tf.Tensor:
        """Sums of squares of the kernel over all but its output axes."""
        return tf.reduce_sum(tf.square(kernel), axis=range(kernel.shape.rank - 1))

    def scaled_kernel(
        self, layer: Any, kernel: tf.Tensor, gain: tf.Tensor
    ) -> tf.Tensor:
        """The kernel with each of its outputs times its gain."""
        return kernel * gain

    @abc.abstractmethod
    def down(self, layer: Any, x: tf.Tensor, a: tf.Tensor) -> tf.Tensor:
        """The linear part with A as its kernel: `(..., rank)`."""

    def up(self, layer: Any, h: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """What stands behind it: `(..., rank)` to the layer's output."""
        return matmul(h, b)

    def linear(self, layer: Any, x: tf.Tensor) -> tf.Tensor:
        """The linear part with the layer's own kernel."""
        return self.down(layer, x, tf.convert_to_tensor(self.kernel(layer)))

    def gained(self, layer: Any, y: tf.Tensor, gain: tf.Tensor) -> tf.Tensor:
        """Outputs, each times its gain."""
        return y * gain

    def finish(self, layer: Any, y: tf.Tensor) -> tf.Tensor:
        """Bias and activation."""
        if layer.use_bias:
            y = tf.nn.bias_add(y, tf.cast(tf.convert_to_tensor(layer.bias), y.dtype))
        return y if layer.activation is None else layer.activation(y)

    # ---- an adapter for each row ---------------------------------------------

    def check_rows(self, layer: Any) -> None:  # noqa: B027 - most have nothing to say
        """Refuses a layer whose rows cannot each have an adapter.

        Raises:
            ValueError: if it is one.
        """

    def stack(self, values: list[Any]) -> Any:
        """Several A of one rank as `down_rows` takes them, `(adapters, ...)`."""
        return tf.stack(values)

    @abc.abstractmethod
    def delta_rows(
        self, layer: Any, x: tf.Tensor, a: tf.Tensor, b: tf.Tensor, rows: tf.Tensor
    ) -> tf.Tensor:
        """`down` and `up` of each row with its own A and B.

        Args:
            layer: the layer.
            x: what it was called with.
            a: what `stack` returned.
            b: `(adapters, *B)`.
            rows: int32 `(rows,)`, places in the stacks.

        Returns:
            What can be reshaped to the layer's output.
        """


def matmul(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """X K over the last axis, as one product of matrices."""
    kernel = tf.cast(kernel, x.dtype)
    if x.shape.rank == 2:
        return tf.matmul(x, kernel)
    rows = tf.matmul(tf.reshape(x, (-1, x.shape[-1])), kernel)
    return reshape(rows, [*sizes(x)[:-1], kernel.shape[-1]])
