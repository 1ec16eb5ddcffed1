"""The network of a PixelCNN row by row and pixel by pixel, as sampling needs it."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfgenai.autoregressive.attention import PixelAttention
from tfgenai.autoregressive.blocks import GatedBlock
from tfgenai.autoregressive.masked_conv import (
    HorizontalConvolution,
    VerticalConvolution,
)
from tfgenai.autoregressive.row_context import RowContext

State = Any


class PixelSteps:
    """Mixin of `PixelNetwork`: what its `call` computes, step by step.

    `step_row` runs once for each row and `step_pixel` once for each pixel and group of
    channels. What they need of the past they hand on as states.
    """

    image_shape: tuple[int, ...]
    compute_dtype: str
    first_vertical: VerticalConvolution
    first_horizontal: HorizontalConvolution
    first_link: HorizontalConvolution
    row_context: RowContext | None
    blocks: list[GatedBlock | PixelAttention]
    head: list[HorizontalConvolution]
    positions_as: Callable[[Any], tf.Tensor]

    def initial_row_state(self, batch: tf.Tensor) -> State:
        """What `step_row` needs of the past, at the first row."""
        width, dtype = self.image_shape[1], self.compute_dtype
        convolutions = [
            self.first_vertical,
            *(b.vertical for b in self.blocks if isinstance(b, GatedBlock)),
        ]
        context = (
            []
            if self.row_context is None
            else self.row_context.initial_past(batch, dtype)
        )
        return [c.initial_past(batch, width, dtype) for c in convolutions], context

    def step_row(
        self,
        row_above: tf.Tensor,
        number: tf.Tensor,
        state: State,
        labels: tf.Tensor | None,
    ) -> tuple[list[tf.Tensor], State]:
        """The vertical stack of one row.

        Args:
            row_above: float `(batch, 1, width, channels)`, pixels; zeros at first.
            number: int32 scalar, the row's.
            state: from the row before.
            labels: one-hot, or None.

        Returns:
            What the row adds to the first layer of the horizontal stack and to each
            block, `(batch, 1, width, ...)` each; and the next row's state.
        """
        pasts, context_past = state
        row_above = tf.cast(row_above, self.compute_dtype)
        v, past = self.first_vertical.step(row_above, pasts[0])
        v = v + self.positions_as(v.dtype)[:, number][:, tf.newaxis]
        if self.row_context is not None:
            context, context_past = self.row_context.step(row_above, context_past)
            v = v + context
        terms, after = [self.first_link(v)], [past]
        remaining = iter(pasts[1:])
        for block in self.blocks:
            if isinstance(block, PixelAttention):
                terms.append(block.step_row(v))
            else:
                v, term, past = block.step_row(v, next(remaining), labels)
                terms.append(term)
                after.append(past)
        return terms, (after, context_past)

    def initial_pixel_state(self, batch: tf.Tensor) -> list[State]:
        """What `step_pixel` needs of the past, at the first pixel, block by block."""
        height, width, _ = self.image_shape
        dtype = self.compute_dtype
        return [
            block.initial_past(batch, height * width, dtype)
            if isinstance(block, PixelAttention)
            else block.horizontal.initial_past(batch, dtype)
            for block in self.blocks
        ]

    def start_row(self, state: list[State]) -> list[State]:
        """The state at the first pixel of a new row, from the one at the last's end."""
        return [
            past if isinstance(block, PixelAttention) else tf.zeros_like(past)
            for block, past in zip(self.blocks, state, strict=True)
        ]

    def step_pixel(
        self,
        pixel: tf.Tensor,
        pixels_before: tf.Tensor,
        pixel_before: tf.Tensor,
        position: tf.Tensor,
        terms: Sequence[tf.Tensor],
        state: list[State],
    ) -> tuple[tf.Tensor, list[State]]:
        """Parameters of one pixel.

        Args:
            pixel: float `(batch, channels)`, of which the channels drawn so far count.
            pixels_before: `(batch, first_horizontal.num_past, channels)`, the pixels
                to the left; zeros at first.
            pixel_before: `(batch, channels)`, the pixel before in raster order.
            position: int32 scalar, number of the pixel in raster order.
            terms: of this pixel, from `step_row`, `(batch, ...)` each.
            state: from the pixel before.

        Returns:
            float32 `(batch, num_parameters)`, right for the channels up to the first
            that is not drawn yet; and the next pixel's state, right where that is the
            last channel.
        """
        dtype = self.compute_dtype
        pixel, pixels_before, pixel_before = (
            tf.cast(t, dtype) for t in (pixel, pixels_before, pixel_before)
        )
        h, _ = self.first_horizontal.step(pixel, pixels_before)
        h = h + terms[0]
        after = []
        for block, term, past in zip(self.blocks, terms[1:], state, strict=True):
            if isinstance(block, PixelAttention):
                h, past = block.step_pixel(h, term, pixel_before, past, position)
            else:
                h, past = block.step_pixel(h, term, past)
            after.append(past)
        for linear in self.head:
            h = linear.map_pixel(tf.nn.relu(h))
        return tf.cast(h, tf.float32), after
