"""Convolutions that keep, halve or double the size of images and of sequences.

Everything works on `(batch, height, width, channels)`; a sequence is an image of width
1, and its kernels and strides are 1 in that axis.
"""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from typing import Any

import keras
import tensorflow as tf

from tfgenai.layers import Initializers

_KERNEL_SIDE = 3


@keras.saving.register_keras_serializable("tfgenai")
class Convolution(keras.layers.Layer):
    """A convolution that keeps the size, halves it (`stride=2`) or doubles it.

    Args:
        filters: channels of the result.
        spatial_axes: 2 for images, 1 for sequences.
        kernel_side: 3, or 1 for a linear map of each pixel.
        stride: 1 or 2.
        use_bias: whether a bias is added.
        zero_init: whether the kernel begins at zero.
        seed: seed of the kernel.
    """

    takes_adapters = True  # see `layers.adapters`: linear in its kernel
    activation = None

    def __init__(
        self,
        filters: int,
        *,
        spatial_axes: int,
        kernel_side: int = _KERNEL_SIDE,
        stride: int = 1,
        use_bias: bool = True,
        zero_init: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.spatial_axes = spatial_axes
        self.kernel_side = kernel_side
        self.stride = stride
        self.use_bias = use_bias
        self.zero_init = zero_init
        self.seed = seed

    def build(self, x_shape: tuple[int, ...]) -> None:
        """Makes kernel and bias."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self._sides(self.kernel_side), x_shape[-1], self.filters),
            initializer="zeros" if self.zero_init else Initializers(self.seed).lecun(),
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.filters,), initializer="zeros"
            )
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Convolves, and adds the bias."""
        x = self.convolution_op(x, tf.convert_to_tensor(self.kernel))
        return self._add_bias(x)

    def convolution_op(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """Convolves with a kernel of any number of channels, zeros around the image."""
        strides = self._sides(self.stride)
        return tf.nn.conv2d(x, kernel, strides=strides, padding="SAME")

    def compute_output_shape(self, x_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Sizes divided by the stride."""
        batch, height, width, _ = x_shape
        strides = self._sides(self.stride)
        return (batch, height // strides[0], width // strides[1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "spatial_axes": self.spatial_axes,
            "kernel_side": self.kernel_side,
            "stride": self.stride,
            "use_bias": self.use_bias,
            "zero_init": self.zero_init,
            "seed": self.seed,
        }

    def _add_bias(self, x: tf.Tensor) -> tf.Tensor:
        if not self.use_bias:
            return x
        return tf.nn.bias_add(x, tf.convert_to_tensor(self.bias))

    def _sides(self, side: int) -> tuple[int, int]:
        return (side, side if self.spatial_axes == 2 else 1)


@keras.saving.register_keras_serializable("tfgenai")
class UpsamplingConvolution(Convolution):
    """Doubles the size by repeating pixels, then convolves; computed as one operation.

    Repeating is a transposed convolution with ones; it and the convolution together are
    one transposed convolution whose kernel is the convolution's, summed over two
    neighbours in each axis. That is 4/9 of the multiplications.
    """

    def convolution_op(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """Doubles the size and convolves."""
        for axis in range(self.spatial_axes):
            before, after = [[0, 0]] * 4, [[0, 0]] * 4
            before[axis], after[axis] = [1, 0], [0, 1]
            kernel = tf.pad(kernel, before) + tf.pad(kernel, after)
        # Transposed convolutions slide the kernel backwards.
        kernel = tf.reverse(kernel, axis=list(range(self.spatial_axes)))
        shape = tf.shape(x)
        factors = self._sides(2)
        return tf.nn.conv2d_transpose(
            x,
            tf.transpose(kernel, (0, 1, 3, 2)),
            output_shape=(
                shape[0],
                x.shape[1] * factors[0],
                x.shape[2] * factors[1],
                kernel.shape[-1],
            ),
            strides=factors,
            padding="SAME",
        )

    def compute_output_shape(self, x_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Twice the sizes."""
        batch, height, width, _ = x_shape
        factors = self._sides(2)
        return (batch, height * factors[0], width * factors[1], self.filters)
