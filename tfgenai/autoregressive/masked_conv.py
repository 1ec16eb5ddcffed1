"""Convolutions that see only pixels which come before, on images and step by step.

Pixels have an order: row by row, and from left to right within a row. A vertical
convolution sees rows, a horizontal one the pixels of one row; the two together leave no
blind spot (van den Oord et al. 2016, arXiv:1606.05328, section 2.3). Both work on whole
images in training, and on one row or one pixel in sampling, with what they need of the
past as a state.
"""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.layers import Initializers


@keras.saving.register_keras_serializable("tfgenai")
class VerticalConvolution(keras.layers.Layer):
    """Sees rows: the own one and those above, in columns on both sides.

    The own row's features must therefore depend on rows above only. The first layer,
    whose inputs are pixels, leaves the own row out (`sees_own_row=False`).

    Args:
        filters: channels of the result.
        kernel_shape: rows and columns of the kernel; columns are odd.
        dilation: distance between its taps, in both axes.
        sees_own_row: whether the last row of the kernel is the own row, or the one
            above it.
        zero_init: whether the kernel begins at zero.
        seed: seed of the kernel.

    Call arguments:
        x: float `(batch, height, width, channels)`.

    Returns:
        Tensor `(batch, height, width, filters)`.

    Example:
        >>> layer = VerticalConvolution(16, (3, 7), sees_own_row=False)
        >>> layer(tf.ones((2, 28, 28, 1))).shape
        TensorShape([2, 28, 28, 16])
    """

    def __init__(
        self,
        filters: int,
        kernel_shape: Sequence[int],
        *,
        dilation: int = 1,
        sees_own_row: bool = True,
        zero_init: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_shape = tuple(kernel_shape)
        self.dilation = dilation
        self.sees_own_row = sees_own_row
        self.zero_init = zero_init
        self.seed = seed
        self.num_past = dilation * (self.kernel_shape[0] - 1)

    def build(self, x_shape: tuple[int | None, ...]) -> None:
        """Makes kernel and bias."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_shape, x_shape[-1], self.filters),
            initializer="zeros" if self.zero_init else Initializers(self.seed).lecun(),
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer="zeros"
        )
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Convolves all rows at once."""
        if self.sees_own_row:
            return self._convolve(x, self.num_past)
        return self._convolve(x[:, :-1], self.num_past + 1)

    def step(self, row: tf.Tensor, past: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """One row of the result.

        Args:
            row: `(batch, 1, width, channels)`, the last row that it sees.
            past: `(batch, num_past, width, channels)`, those before; zeros at first.

        Returns:
            `(batch, 1, width, filters)`, and the past of the next row.
        """
        rows = tf.concat([past, row], axis=1)
        return self._convolve(rows, 0), rows[:, 1:]

    def initial_past(self, batch: tf.Tensor, width: int, dtype: Any) -> tf.Tensor:
        """What stands above the first row: zeros."""
        channels = self.kernel.shape[2]
        return tf.zeros(tf.stack([batch, self.num_past, width, channels]), dtype)

    def compute_output_shape(self, x_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The input's, with other channels."""
        return (*x_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_shape": list(self.kernel_shape),
            "dilation": self.dilation,
            "sees_own_row": self.sees_own_row,
            "zero_init": self.zero_init,
            "seed": self.seed,
        }

    def _convolve(self, x: tf.Tensor, num_rows_above: int) -> tf.Tensor:
        side = self.dilation * (self.kernel_shape[1] // 2)
        kernel = tf.cast(tf.convert_to_tensor(self.kernel), x.dtype)
        x = _convolve(x, kernel, (num_rows_above, side, side), self.dilation)
        return tf.nn.bias_add(x, tf.cast(tf.convert_to_tensor(self.bias), x.dtype))


@keras.saving.register_keras_serializable("tfgenai")
class HorizontalConvolution(keras.layers.Layer):
    """Sees pixels of the own row: those to the left, and the own one.

    Of the own pixel an output sees only channels that come before: those of groups up
    to its own, or below its own in the first layer, whose inputs are the pixel's
    values. The kernel is masked whenever it is used; what the optimizer does to masked
    weights has no effect.

    Args:
        filters: channels of the result.
        kernel_size: pixels that it sees, the own one included; 1 is a linear map of
            each pixel.
        dilation: distance between them.
        input_groups: group of each input channel, and `output_groups` of each output;
            None where all are in one group.
        is_strict: whether an output is kept from inputs of its own group at its own
            pixel ("mask A"); otherwise it sees them ("mask B").
        seed: seed of the kernel.

    Call arguments:
        x: float `(batch, height, width, channels)`.

    Returns:
        Tensor `(batch, height, width, filters)`.

    Example:
        >>> x = tf.reshape([0.0, 0.0, 1.0, 0.0], (1, 1, 4, 1))
        >>> y = HorizontalConvolution(1, 2, is_strict=True)(x)
        >>> (y.numpy().ravel() != 0).tolist()  # only the next pixel sees it
        [False, False, False, True]
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 1,
        *,
        dilation: int = 1,
        input_groups: Sequence[int] | None = None,
        output_groups: Sequence[int] | None = None,
        is_strict: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.input_groups = None if input_groups is None else list(input_groups)
        self.output_groups = None if output_groups is None else list(output_groups)
        self.is_strict = is_strict
        self.seed = seed
        self.num_past = dilation * (kernel_size - 1)

    def build(self, x_shape: Any) -> None:
        """Makes kernel, bias and mask."""
        shape = (self.kernel_size, x_shape[-1], self.filters)
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer=Initializers(self.seed).lecun()
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer="zeros"
        )
        inputs = np.array(self.input_groups or [0] * x_shape[-1])[:, np.newaxis]
        outputs = np.array(self.output_groups or [0] * self.filters)
        mask = np.ones(shape, np.float32)
        mask[-1] = inputs < outputs if self.is_strict else inputs <= outputs
        self._mask = None if mask.all() else mask
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Convolves all pixels at once."""
        kernel = self._masked_kernel(x.dtype)[tf.newaxis]
        return self._add_bias(
            _convolve(x, kernel, (0, self.num_past, 0), self.dilation)
        )

    def step(self, pixel: tf.Tensor, past: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """One pixel of the result.

        Args:
            pixel: `(batch, channels)`, the own pixel.
            past: `(batch, num_past, channels)`, those to the left; zeros at first.

        Returns:
            `(batch, filters)`, and the past of the next pixel.
        """
        pixels = tf.concat([past, pixel[:, tf.newaxis]], axis=1)
        seen = tf.unstack(pixels, axis=1)[:: self.dilation]
        kernel = self._masked_kernel(pixel.dtype)
        kernel = tf.reshape(kernel, (-1, self.filters))
        result = tf.matmul(tf.concat(seen, axis=1), kernel)
        return self._add_bias(result), pixels[:, 1:]

    def map_pixel(self, pixel: tf.Tensor) -> tf.Tensor:
        """One pixel of the result of a kernel of size 1, `(batch, filters)`."""
        kernel = self._masked_kernel(pixel.dtype)[-1]
        return self._add_bias(tf.matmul(pixel, kernel))

    def initial_past(self, batch: tf.Tensor, dtype: Any) -> tf.Tensor:
        """What stands left of the first pixel: zeros."""
        return tf.zeros(tf.stack([batch, self.num_past, self.kernel.shape[1]]), dtype)

    def compute_output_shape(self, x_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The input's, with other channels."""
        return (*x_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "dilation": self.dilation,
            "input_groups": self.input_groups,
            "output_groups": self.output_groups,
            "is_strict": self.is_strict,
            "seed": self.seed,
        }

    def _masked_kernel(self, dtype: Any) -> tf.Tensor:
        kernel = tf.cast(tf.convert_to_tensor(self.kernel), dtype)
        return kernel if self._mask is None else kernel * tf.cast(self._mask, dtype)

    def _add_bias(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.bias_add(x, tf.cast(tf.convert_to_tensor(self.bias), x.dtype))


def _convolve(
    x: tf.Tensor, kernel: tf.Tensor, zeros: tuple[int, int, int], dilation: int
) -> tf.Tensor:
    """Convolves with so many zeros above, on the left and on the right."""
    above, left, right = zeros
    padding = [[0, 0], [above, 0], [left, right], [0, 0]]
    if x.shape[2] == kernel.shape[1] == 1:
        return _convolve_vectors(x, kernel, above, dilation)
    if dilation == 1:
        return tf.nn.conv2d(x, kernel, strides=1, padding=padding)
    # TensorFlow's own kernels have no gradient of dilated convolutions on a CPU;
    # `convolution` rearranges pixels so that none is needed.
    return tf.nn.convolution(
        tf.pad(x, padding), kernel, padding="VALID", dilations=dilation
    )


def _convolve_vectors(
    x: tf.Tensor, kernel: tf.Tensor, above: int, dilation: int
) -> tf.Tensor:
    """The same for images of width 1, as one matrix product, which is faster."""
    taps, _, size, filters = kernel.shape
    length = x.shape[1] + above - dilation * (taps - 1)
    x = tf.pad(x[:, :, 0], [[0, 0], [above, 0], [0, 0]])
    seen = [x[:, k * dilation : k * dilation + length] for k in range(taps)]
    rows = tf.reshape(tf.concat(seen, axis=-1), (-1, taps * size))
    rows = tf.matmul(rows, tf.reshape(kernel, (taps * size, filters)))
    return tf.reshape(rows, (-1, length, 1, filters))
