"""The gated block of a PixelCNN: one layer of its vertical and horizontal stacks."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgenai.autoregressive.masked_conv import (
    HorizontalConvolution,
    VerticalConvolution,
)
from tfgenai.layers import Initializers, SeededDropout


@keras.saving.register_keras_serializable("tfgenai")
class GatedBlock(keras.layers.Layer):
    """One layer of both stacks, each with a gate and a residual connection.

    Van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders",
    arXiv:1606.05328, section 2.2, equation 4 and figure 2: y = tanh(W_f x + V_f h) ·
    σ(W_g x + V_g h), where h is the label as a one-hot vector. The vertical stack has a
    residual connection here, too, which the paper's has not, and feeds the horizontal
    one after its gate.

    Args:
        filters: channels of each stack.
        kernel_size: side of the square whose upper half is seen; odd.
        dilation: distance between the kernel's taps.
        groups: group of each channel of the horizontal stack, or None for one group.
        num_classes: length of one-hot labels, or None.
        dropout: share of the horizontal stack's gated features dropped in training.
        seed: seed of the initial weights.

    Call arguments:
        v: float `(batch, height, width, filters)`, the vertical stack.
        h: the horizontal stack, like `v`.
        labels: float `(batch, num_classes)` one-hot, or None.

    Returns:
        Both stacks, after this layer.

    Example:
        >>> v, h = GatedBlock(8)(tf.ones((2, 5, 5, 8)), tf.ones((2, 5, 5, 8)))
        >>> h.shape
        TensorShape([2, 5, 5, 8])
    """

    def __init__(
        self,
        filters: int,
        *,
        kernel_size: int = 3,
        dilation: int = 1,
        groups: Sequence[int] | None = None,
        num_classes: int | None = None,
        dropout: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.groups = None if groups is None else list(groups)
        self.num_classes = num_classes
        self.dropout = dropout
        self.seed = seed
        new, dtype = Initializers(seed), self.dtype_policy
        half = kernel_size // 2 + 1
        self.vertical = VerticalConvolution(
            2 * filters,
            (half, kernel_size),
            dilation=dilation,
            seed=new.next_seed(),
            dtype=dtype,
            name="vertical",
        )
        self.link = HorizontalConvolution(
            2 * filters, seed=new.next_seed(), dtype=dtype, name="link"
        )
        self.horizontal = HorizontalConvolution(
            2 * filters,
            half,
            dilation=dilation,
            input_groups=self.groups,
            output_groups=None if self.groups is None else 2 * self.groups,
            seed=new.next_seed(),
            dtype=dtype,
            name="horizontal",
        )
        self.output_map = HorizontalConvolution(
            filters,
            input_groups=self.groups,
            output_groups=self.groups,
            seed=new.next_seed(),
            dtype=dtype,
            name="output_map",
        )
        self.drop = SeededDropout(dropout, dtype=dtype, name="drop")
        self._label_initializer = new.normal(0.1)

    def build(self, *_: Any) -> None:
        """Makes the weights."""
        shape = (None, None, None, self.filters)
        for layer in (self.vertical, self.link, self.horizontal, self.output_map):
            layer.build(shape)
        if self.num_classes is not None:
            # Of both stacks, side by side.
            self.label_kernel = self.add_weight(
                name="label_kernel",
                shape=(self.num_classes, 4 * self.filters),
                initializer=self._label_initializer,
            )
        self.built = True

    def call(
        self,
        v: tf.Tensor,
        h: tf.Tensor,
        labels: tf.Tensor | None = None,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Both stacks of whole images."""
        v_bias, h_bias = self._label_biases(labels, v.dtype)
        v = v + gate(_plus(self.vertical(v), v_bias))
        y = gate(_plus(self.horizontal(h) + self.link(v), h_bias))
        return v, h + self.output_map(self.drop(y, training=training))

    def step_row(
        self, v: tf.Tensor, past: tf.Tensor, labels: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The vertical stack of one row.

        Args:
            v: `(batch, 1, width, filters)`, the vertical stack before this layer.
            past: rows before, from `initial_past`.
            labels: one-hot, or None.

        Returns:
            The vertical stack after this layer; what it adds to the horizontal one
            before the gate, `(batch, 1, width, 2 * filters)`; the next row's past.
        """
        v_bias, h_bias = self._label_biases(labels, v.dtype)
        y, past = self.vertical.step(v, past)
        v = v + gate(_plus(y, v_bias))
        return v, _plus(self.link(v), h_bias), past

    def step_pixel(
        self, h: tf.Tensor, from_row: tf.Tensor, past: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The horizontal stack of one pixel.

        Args:
            h: `(batch, filters)`, the horizontal stack before this layer.
            from_row: `(batch, 2 * filters)`, from `step_row`.
            past: pixels to the left.

        Returns:
            The horizontal stack after this layer, and the next pixel's past.
        """
        y, past = self.horizontal.step(h, past)
        y = gate(y + from_row)
        return h + self.output_map.map_pixel(y), past

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "dilation": self.dilation,
            "groups": self.groups,
            "num_classes": self.num_classes,
            "dropout": self.dropout,
            "seed": self.seed,
        }

    def _label_biases(self, labels: tf.Tensor | None, dtype: Any) -> Any:
        if labels is None:
            return None, None
        kernel = tf.cast(tf.convert_to_tensor(self.label_kernel), dtype)
        biases = tf.matmul(tf.cast(labels, dtype), kernel)
        return tf.split(biases[:, tf.newaxis, tf.newaxis], 2, axis=-1)


def gate(x: tf.Tensor) -> tf.Tensor:
    """Tanh of the first half of the channels times the sigmoid of the second."""
    feature, gate_logit = tf.split(x, 2, axis=-1)
    return tf.tanh(feature) * tf.sigmoid(gate_logit)


def _plus(x: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
    return x if bias is None else x + bias
