"""The network of a PixelCNN: parameters of every pixel from the pixels before it."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.autoregressive.attention import PixelAttention
from tfgenai.autoregressive.blocks import GatedBlock
from tfgenai.autoregressive.masked_conv import (
    HorizontalConvolution,
    VerticalConvolution,
)
from tfgenai.autoregressive.row_context import RowContext
from tfgenai.autoregressive.steps import PixelSteps
from tfgenai.layers import Initializers

_POSITION_STDDEV = 0.1


class PixelNetwork(PixelSteps, keras.layers.Layer):
    """Two stacks of gated blocks over pixels, and two linear maps to parameters.

    Whole images go through `call`; in sampling, `step_row` and `step_pixel` compute the
    same (`PixelSteps`).

    Args:
        image_shape: (height, width, channels).
        num_filters: channels of each stack.
        num_blocks: gated blocks.
        kernel_size: side of the square whose upper half a block sees; odd.
        first_kernel_size: the same of the first layer, which has few inputs.
        dilations: of the blocks, in turn.
        attention_blocks: numbers of the blocks that attention follows.
        num_heads: heads of the attention.
        row_context_dim: length of the vectors of the `RowContext`, or None.
        num_row_blocks: its blocks.
        parameter_groups: for each parameter of a pixel, the channel that it is of;
            None where the channels of a pixel are drawn together.
        num_parameters: parameters of a pixel.
        num_classes: length of one-hot labels, or None.
        dropout: share of features dropped in the blocks.
        seed: seed of the initial weights.

    Call arguments:
        x: float `(batch, height, width, channels)` in [-1, 1].
        labels: float `(batch, num_classes)` one-hot, or None.

    Returns:
        float32 `(batch, height, width, num_parameters)`.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        *,
        num_filters: int,
        num_blocks: int,
        kernel_size: int,
        first_kernel_size: int,
        dilations: Sequence[int],
        attention_blocks: Sequence[int],
        num_heads: int,
        row_context_dim: int | None,
        num_row_blocks: int,
        parameter_groups: Sequence[int] | None,
        num_parameters: int,
        num_classes: int | None,
        dropout: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.image_shape = tuple(image_shape)
        channels = self.image_shape[-1]
        self.num_groups = 1 if parameter_groups is None else channels
        new, dtype = Initializers(seed), self.dtype_policy
        groups, pixel_groups = None, None
        if self.num_groups > 1:
            groups = (np.arange(num_filters) * channels // num_filters).tolist()
            pixel_groups = list(range(channels))
        half = first_kernel_size // 2
        self.first_vertical = VerticalConvolution(
            num_filters,
            (half, first_kernel_size),
            sees_own_row=False,
            seed=new.next_seed(),
            dtype=dtype,
            name="first_vertical",
        )
        self.first_horizontal = HorizontalConvolution(
            num_filters,
            half + 1,
            input_groups=pixel_groups,
            output_groups=groups,
            is_strict=True,
            seed=new.next_seed(),
            dtype=dtype,
            name="first_horizontal",
        )
        self.first_link = HorizontalConvolution(
            num_filters, seed=new.next_seed(), dtype=dtype, name="first_link"
        )
        self._position_initializer = new.normal(_POSITION_STDDEV)
        self.row_context = None
        if row_context_dim is not None:
            self.row_context = RowContext(
                row_context_dim,
                num_blocks=num_row_blocks,
                filters=num_filters,
                dropout=dropout,
                seed=new.next_seed(),
                dtype=dtype,
                name="row_context",
            )
        self.blocks: list[GatedBlock | PixelAttention] = []
        for i in range(num_blocks):
            self.blocks.append(
                GatedBlock(
                    num_filters,
                    kernel_size=kernel_size,
                    dilation=dilations[i % len(dilations)],
                    groups=groups,
                    num_classes=num_classes,
                    dropout=dropout,
                    seed=new.next_seed(),
                    dtype=dtype,
                    name=f"block_{i}",
                )
            )
            if i in attention_blocks:
                self.blocks.append(
                    PixelAttention(
                        num_filters,
                        num_heads,
                        seed=new.next_seed(),
                        dtype=dtype,
                        name=f"attention_{i}",
                    )
                )
        self.head = [
            HorizontalConvolution(
                size,
                input_groups=groups,
                output_groups=groups if outputs is None else outputs,
                seed=new.next_seed(),
                dtype=dtype,
                name=name,
            )
            for name, size, outputs in (
                ("head", num_filters, None),
                ("parameters", num_parameters, self._output_groups(parameter_groups)),
            )
        ]
        self._build_all()

    def call(
        self, x: tf.Tensor, labels: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        """Parameters of all pixels of whole images."""
        x = tf.cast(x, self.compute_dtype)
        v = self.first_vertical(x) + self.positions_as(x.dtype)
        if self.row_context is not None:
            v = v + self.row_context(x, training=training)
        h = self.first_horizontal(x) + self.first_link(v)
        for block in self.blocks:
            if isinstance(block, PixelAttention):
                h = block(h, v, x)
            else:
                v, h = block(v, h, labels, training=training)
        y = self.head[0](tf.nn.relu(h))
        return tf.cast(self.head[1](tf.nn.relu(y)), tf.float32)

    def _build_all(self) -> None:
        height, width, channels = self.image_shape
        filters = self.first_vertical.filters
        stack = (None, height, width, filters)
        pixels = (None, height, width, channels)
        self.first_vertical.build(pixels)
        self.first_horizontal.build(pixels)
        self.first_link.build(stack)
        self.positions = self.add_weight(
            name="positions",
            shape=(1, height, width, filters),
            initializer=self._position_initializer,
        )
        if self.row_context is not None:
            self.row_context.build(pixels)
        for block in self.blocks:
            if isinstance(block, PixelAttention):
                block.build(stack, stack, pixels)
            else:
                block.build(stack)
        for layer in self.head:
            layer.build(stack)
        self.built = True

    def positions_as(self, dtype: Any) -> tf.Tensor:
        """The embedding of positions, `(1, height, width, filters)`."""
        return tf.cast(tf.convert_to_tensor(self.positions), dtype)

    def _output_groups(self, parameter_groups: Sequence[int] | None) -> Any:
        return None if self.num_groups == 1 else parameter_groups
