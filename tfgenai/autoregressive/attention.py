"""Attention of every pixel to all pixels before it, whole images or with a cache."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from typing import Any

import keras
import tensorflow as tf

from tfgenai.autoregressive.masked_conv import HorizontalConvolution
from tfgenai.layers import Initializers

_HIDDEN = -1e9  # not infinity: 0 · infinity is not a number


@keras.saving.register_keras_serializable("tfgenai")
class PixelAttention(keras.layers.Layer):
    """Causal multi-head attention in the horizontal stack, with a residual connection.

    Chen et al. 2018, "PixelSNAIL: An Improved Autoregressive Generative Model",
    arXiv:1712.09763, section 3. Every position stands for the pixel before it in raster
    order, features of the horizontal stack and values side by side, so that a position
    may attend to itself and none has nothing to attend to, and so that no channel of a
    pixel can reach a channel before it. Queries see the vertical stack besides.

    Args:
        filters: channels of the stacks.
        num_heads: number of heads; divides `filters`.
        seed: seed of the initial weights.

    Call arguments:
        h: float `(batch, height, width, filters)`, the horizontal stack.
        v: the vertical stack, like `h`.
        x: float `(batch, height, width, channels)`, pixels.

    Returns:
        The horizontal stack after this layer.

    Example:
        >>> h, x = tf.ones((2, 5, 5, 8)), tf.ones((2, 5, 5, 1))
        >>> PixelAttention(8, num_heads=2)(h, h, x).shape
        TensorShape([2, 5, 5, 8])
    """

    def __init__(
        self, filters: int, num_heads: int = 4, *, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.num_heads = num_heads
        self.seed = seed
        new, dtype = Initializers(seed), self.dtype_policy

        def linear(name: str, size: int) -> HorizontalConvolution:
            return HorizontalConvolution(
                size, seed=new.next_seed(), dtype=dtype, name=name
            )

        self.query_key_value = linear("query_key_value", 3 * filters)
        self.row_query = linear("row_query", filters)
        self.output_map = linear("output_map", filters)

    def build(self, h_shape: Any, v_shape: Any, x_shape: Any) -> None:
        """Makes the weights."""
        before = (None, None, None, self.filters + x_shape[-1])
        self.query_key_value.build(before)
        for layer in (self.row_query, self.output_map):
            layer.build((None, None, None, self.filters))
        self.built = True

    def call(self, h: tf.Tensor, v: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """Attends, from every pixel of whole images."""
        height, width = h.shape[1:3]
        size = height * width
        before = tf.reshape(
            tf.concat([h, x], -1), (-1, size, h.shape[-1] + x.shape[-1])
        )
        before = tf.pad(before, [[0, 0], [1, 0], [0, 0]])[:, :-1]
        query, key, value = tf.split(
            self.query_key_value(before[:, tf.newaxis])[:, 0], 3, axis=-1
        )
        query = query + tf.reshape(self.row_query(v), (-1, size, self.filters))
        positions = tf.range(size)
        hidden = positions[tf.newaxis] > positions[:, tf.newaxis]
        result = self._attend(query, key, value, hidden)
        return h + self.output_map(tf.reshape(result, tf.shape(h)))

    def step_row(self, v: tf.Tensor) -> tf.Tensor:
        """What a row of the vertical stack adds to queries, like `v`."""
        return self.row_query(v)

    def step_pixel(
        self,
        h: tf.Tensor,
        from_row: tf.Tensor,
        pixel_before: tf.Tensor,
        past: tuple[tf.Tensor, ...],
        position: tf.Tensor,
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        """The horizontal stack of one pixel.

        Args:
            h: `(batch, filters)`, the horizontal stack before this layer.
            from_row: `(batch, filters)`, from `step_row`.
            pixel_before: `(batch, channels)`, values of the pixel before in raster
                order; zeros at first.
            past: h of the pixel before, and the caches of keys and values.
            position: int32 scalar, number of the pixel in raster order.

        Returns:
            The horizontal stack after this layer, and the next pixel's past.
        """
        h_before, keys, values = past
        before = tf.concat([h_before, pixel_before], axis=-1)
        query, key, value = tf.split(self.query_key_value.map_pixel(before), 3, axis=-1)
        place = tf.reshape(position, (1, 1))
        keys = tf.tensor_scatter_nd_update(keys, place, key[tf.newaxis])
        values = tf.tensor_scatter_nd_update(values, place, value[tf.newaxis])
        hidden = tf.range(keys.shape[0])[tf.newaxis] > position
        result = self._attend(
            (query + from_row)[:, tf.newaxis],
            tf.transpose(keys, (1, 0, 2)),
            tf.transpose(values, (1, 0, 2)),
            hidden,
        )[:, 0]
        return h + self.output_map.map_pixel(result), (h, keys, values)

    def initial_past(
        self, batch: tf.Tensor, num_pixels: int, dtype: Any
    ) -> tuple[tf.Tensor, ...]:
        """The past of the first pixel; caches are `(num_pixels, batch, filters)`."""
        cache = tf.zeros(tf.stack([num_pixels, batch, self.filters]), dtype)
        return tf.zeros(tf.stack([batch, self.filters]), dtype), cache, cache

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "num_heads": self.num_heads,
            "seed": self.seed,
        }

    def _attend(
        self, query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, hidden: tf.Tensor
    ) -> tf.Tensor:
        query, key, value = (self._heads(t) for t in (query, key, value))
        query = query * tf.cast(query.shape[-1] ** -0.5, query.dtype)
        logits = tf.cast(tf.matmul(query, key, transpose_b=True), tf.float32)
        weights = tf.nn.softmax(tf.where(hidden, _HIDDEN, logits))
        heads = tf.matmul(tf.cast(weights, value.dtype), value)
        merged = tf.transpose(heads, (0, 2, 1, 3))
        return tf.reshape(merged, (-1, merged.shape[1], self.filters))

    def _heads(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.reshape(
            x, (-1, x.shape[1], self.num_heads, self.filters // self.num_heads)
        )
        return tf.transpose(x, (0, 2, 1, 3))
