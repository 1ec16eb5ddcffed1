"""What the rows above say, whole rows at a time: a short network of few products."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from typing import Any

import keras
import tensorflow as tf

from tfgenai.autoregressive.blocks import gate
from tfgenai.autoregressive.masked_conv import VerticalConvolution
from tfgenai.layers import Initializers, SeededDropout

_FIRST_ROWS = 3


@keras.saving.register_keras_serializable("tfgenai")
class RowContext(keras.layers.Layer):
    """A causal convolution over rows, each of which is one vector of all its pixels.

    It sees every pixel of the rows above at a fixed place, so that it learns what can
    stand where; that takes a vertical stack many layers. There are as few vectors as
    rows, so a block costs as much as a thin layer of a stack. The blocks are those of
    van den Oord et al. 2016, "WaveNet", arXiv:1609.03499, equation 2, with dilations
    1, 2, 4, … over rows. The last layer begins at zero, so that the stacks learn first
    what is near. It is an addition to the PixelCNN of the paper.

    Args:
        dim: length of a row's vector.
        num_blocks: gated blocks of kernel 2; `num_blocks=4` sees 18 rows.
        filters: channels of the result.
        dropout: share of a block's gated features that is dropped in training.
        seed: seed of the initial weights.

    Call arguments:
        x: float `(batch, height, width, channels)`, pixels.

    Returns:
        Tensor `(batch, height, width, filters)`; a row depends on rows above only.

    Example:
        >>> layer = RowContext(64, num_blocks=4, filters=16)
        >>> layer(tf.ones((2, 28, 28, 1))).shape
        TensorShape([2, 28, 28, 16])
    """

    def __init__(
        self,
        dim: int,
        *,
        num_blocks: int,
        filters: int,
        dropout: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dim = dim
        self.num_blocks = num_blocks
        self.filters = filters
        self.dropout = dropout
        self.seed = seed
        new, dtype = Initializers(seed), self.dtype_policy
        self.first = VerticalConvolution(
            dim,
            (_FIRST_ROWS, 1),
            sees_own_row=False,
            seed=new.next_seed(),
            dtype=dtype,
            name="first",
        )
        self.convolutions = [
            VerticalConvolution(
                2 * dim,
                (2, 1),
                dilation=2**i,
                seed=new.next_seed(),
                dtype=dtype,
                name=f"convolution_{i}",
            )
            for i in range(num_blocks)
        ]
        self.maps = [
            VerticalConvolution(
                dim, (1, 1), seed=new.next_seed(), dtype=dtype, name=f"map_{i}"
            )
            for i in range(num_blocks)
        ]
        self.drop = SeededDropout(dropout, dtype=dtype, name="drop")

    def build(self, x_shape: tuple[int | None, ...]) -> None:
        """Makes the weights; the last layer's depend on the image's width."""
        _, _, width, channels = x_shape
        if width is None or channels is None:
            raise ValueError(
                f"A known width was expected. Received: x of shape {x_shape}."
            )
        self.last = VerticalConvolution(
            width * self.filters,
            (1, 1),
            zero_init=True,
            dtype=self.dtype_policy,
            name="last",
        )
        self.first.build((None, None, 1, width * channels))
        for layer in (*self.convolutions, *self.maps, self.last):
            layer.build((None, None, 1, self.dim))
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The context of all rows at once."""
        y = self.first(_as_vectors(x))
        for convolution, linear in zip(self.convolutions, self.maps, strict=True):
            y = y + linear(self.drop(gate(convolution(y)), training=training))
        return self._as_pixels(self.last(tf.nn.silu(y)), x.shape[2])

    def step(
        self, row: tf.Tensor, past: list[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The context of one row.

        Args:
            row: `(batch, 1, width, channels)`, the pixels of the row above.
            past: from `initial_past` or the step before.

        Returns:
            `(batch, 1, width, filters)`, and the past of the next row.
        """
        y, first_past = self.first.step(_as_vectors(row), past[0])
        pasts = [first_past]
        for convolution, linear, before in zip(
            self.convolutions, self.maps, past[1:], strict=True
        ):
            z, after = convolution.step(y, before)
            pasts.append(after)
            y = y + linear(gate(z))
        return self._as_pixels(self.last(tf.nn.silu(y)), row.shape[2]), pasts

    def initial_past(self, batch: tf.Tensor, dtype: Any) -> list[tf.Tensor]:
        """What stands above the first row."""
        layers = [self.first, *self.convolutions]
        return [layer.initial_past(batch, 1, dtype) for layer in layers]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "dim": self.dim,
            "num_blocks": self.num_blocks,
            "filters": self.filters,
            "dropout": self.dropout,
            "seed": self.seed,
        }

    def _as_pixels(self, y: tf.Tensor, width: int) -> tf.Tensor:
        return tf.reshape(y, (-1, y.shape[1], width, self.filters))


def _as_vectors(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, (-1, x.shape[1], 1, x.shape[2] * x.shape[3]))
